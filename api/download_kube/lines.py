"""Split a stream into lines of bounded length."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 16 * 1024**2
"""Longest line that is read, in bytes.

etcd stores up to 1.5 MiB an object by default, but Go writes ``<``, ``>`` and ``&`` as six bytes of
JSON each: anybody who may create Jobs can cause a watch event of 9 MB.
"""
BEGINNING_BYTES: Final = 4096
"""How much of a longer line is kept."""

LARGE_BYTES: Final = 256 * 1024
"""What is longer is read in turn with other large things, see `KubeClient.large_reads`."""

Line = bytes | bytearray


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line that was longer than the limit, and was skipped to its end."""

    beginning: bytes
    """Its first bytes, at most :data:`BEGINNING_BYTES`."""


async def split_lines(
    chunks: AsyncIterator[bytes],
    large_reads: asyncio.Semaphore,
    max_length: int = MAX_LINE,
) -> AsyncIterator[Line | OverlongLine]:
    """Yield the lines of *chunks* without their newlines.

    At most *max_length* bytes of a line, and one chunk, are in memory at a time.

    Args:
        chunks: the stream.
        large_reads: held from when a line turns out to be large until its end.
        max_length: longest line that is yielded, in bytes.
    """
    line, is_overlong = bytearray(), False
    is_large = False
    try:
        async for chunk in chunks:
            *ends, rest = chunk.split(b"\n")
            for part in ends:
                if is_large:
                    large_reads.release()
                    is_large = False
                if not line and len(part) <= max_length:
                    yield part
                    continue
                is_overlong = _extend(line, part, max_length, is_overlong)
                yield OverlongLine(bytes(line)) if is_overlong else line
                line, is_overlong = bytearray(), False
            is_overlong = _extend(line, rest, max_length, is_overlong)
            if len(line) > LARGE_BYTES and not is_large:
                await large_reads.acquire()
                is_large = True
    finally:
        if is_large:
            large_reads.release()
    if line:
        yield OverlongLine(bytes(line)) if is_overlong else line


def _extend(line: bytearray, part: bytes, max_length: int, is_overlong: bool) -> bool:
    """Add *part*; return whether the line is too long, of which only the beginning is kept."""
    if not is_overlong and len(line) + len(part) <= max_length:
        line += part
        return False
    line += part[: max(BEGINNING_BYTES - len(line), 0)]
    del line[BEGINNING_BYTES:]
    return True
