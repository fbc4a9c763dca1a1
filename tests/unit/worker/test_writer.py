"""Blocks on their way to a sink: all bytes, in order, with the digest of what was written."""

import errno
import fcntl
import hashlib
import mmap
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Parts
from download_worker.volume.safe_paths import Nowhere, write_past_cache
from download_worker.writer import BLOCK, BLOCKS, Writer

BODY = random.Random(1).randbytes(3 * BLOCK + 5)


class Pieces(Nowhere):
    """Remembers where pieces ended, and what was noted of them."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.ends: list[int] = []
        self.noted: list[str] = []

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self.body += chunk
        self.ends.append(len(self.body))

    def checkpoint(self, sha256: str) -> None:
        assert sha256 == hashlib.sha256(self.body).hexdigest()
        self.noted.append(sha256)


@pytest.mark.parametrize("chunk", [1000, BLOCK - 1, BLOCK, 2 * BLOCK + 1, len(BODY)])
def test_blocks_end_at_multiples_of_their_size(chunk: int) -> None:
    sink = Pieces()
    writer = Writer(sink)
    for start in range(0, len(BODY), chunk):
        writer.write(BODY[start : start + chunk])
    assert writer.finish() == hashlib.sha256(BODY).hexdigest()
    assert sink.body == BODY
    assert sink.ends == [BLOCK, 2 * BLOCK, 3 * BLOCK, len(BODY)]
    assert len(sink.noted) == 3


def test_so_they_do_after_a_part_that_does_not() -> None:
    sink = Pieces()
    sink.body += BODY[:1000]
    writer = Writer(sink, 1000, hashlib.sha256(BODY[:1000]))
    writer.write(BODY[1000:])
    assert writer.finish() == hashlib.sha256(BODY).hexdigest()
    assert sink.ends == [BLOCK, 2 * BLOCK, 3 * BLOCK, len(BODY)]


def test_a_file_has_all_bytes(tmp_path: Path) -> None:
    chance = random.Random(2)
    writer = Writer(File(Parts(tmp_path, "parts", "job").new(), tmp_path, "x"))
    for start, end in pairwise([0, *sorted(chance.sample(range(len(BODY)), 50)), len(BODY)]):
        writer.write(BODY[start:end])
    writer.commit(writer.finish())
    assert (tmp_path / "x").read_bytes() == BODY


def test_what_the_sink_cannot_take_is_said() -> None:
    class Full(Nowhere):
        def write(self, chunk: bytes | bytearray | memoryview) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = Writer(Full())

    def fill() -> None:
        for _ in range(2 * BLOCKS):
            writer.write(bytes(BLOCK))
        writer.finish()

    with pytest.raises(OSError, match="No space"):
        fill()
    writer.abandon(resumable=True)


@pytest.mark.parametrize("length", [1000, 4096, BLOCK])
@pytest.mark.parametrize("aligned", [True, False])
def test_what_cannot_go_past_the_cache_is_written_all_the_same(
    tmp_path: Path, length: int, aligned: bool
) -> None:
    memory = mmap.mmap(-1, length + 1)
    memory.write(BODY[: length + 1])
    data = memoryview(memory)[0 if aligned else 1 :][:length]
    with (tmp_path / "x").open("wb", buffering=0) as file:
        write_past_cache(file.fileno(), data)
        assert not fcntl.fcntl(file, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0)
    assert (tmp_path / "x").read_bytes() == bytes(data)
