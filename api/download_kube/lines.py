"""Split a stream into lines of bounded length."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 4 * 1024**2
"""Longest line that is read, in bytes.

etcd stores up to 1.5 MiB an object, but Go writes ``<``, ``>`` and ``&`` as six bytes of JSON
each: anybody who may create Jobs can cause a watch event of 9 MB.
"""


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line that was longer than the limit, and was skipped to its end."""

    beginning: bytes
    """Its first bytes, as many as the limit."""


async def split_lines(
    chunks: AsyncIterator[bytes], max_length: int = MAX_LINE
) -> AsyncIterator[bytes | OverlongLine]:
    """Yield the lines of *chunks* without their newlines.

    At most *max_length* bytes of a line, and one chunk, are in memory at a time.
    """
    line, is_overlong = bytearray(), False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for part in ends:
            if not line and len(part) <= max_length:
                yield part
                continue
            is_overlong = is_overlong or len(line) + len(part) > max_length
            line += part[: max_length - len(line)]
            yield OverlongLine(bytes(line)) if is_overlong else bytes(line)
            line, is_overlong = bytearray(), False
        is_overlong = is_overlong or len(line) + len(rest) > max_length
        line += rest[: max_length - len(line)]
    if line:
        yield OverlongLine(bytes(line)) if is_overlong else bytes(line)
