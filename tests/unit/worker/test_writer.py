"""Blocks on their way to a sink: all bytes, in order, with the digest of what was written."""

import errno
import hashlib
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from download_worker.sink import Chunk, DiscardSink
from download_worker.volume.output_file import OutputFile
from download_worker.volume.partial_files import PartialFiles
from download_worker.writer import BLOCK_BYTES, MAX_BLOCKS, Writer

BODY = random.Random(1).randbytes(3 * BLOCK_BYTES + 5)
BLOCK_ENDS = [BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, len(BODY)]


class RecordingSink(DiscardSink):
    """Records where blocks ended, and the digests at checkpoints."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.ends: list[int] = []
        self.checkpoints: list[str] = []

    def write(self, chunk: Chunk) -> None:
        self.body += chunk
        self.ends.append(len(self.body))

    def checkpoint(self, sha256: str) -> None:
        assert sha256 == hashlib.sha256(self.body).hexdigest()
        self.checkpoints.append(sha256)


class FullSink(DiscardSink):
    def write(self, chunk: Chunk) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "step", [1000, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1, len(BODY)]
)
def test_blocks_end_at_multiples_of_their_size(step: int) -> None:
    sink = RecordingSink()
    writer = Writer(sink)
    for start in range(0, len(BODY), step):
        writer.write(BODY[start : start + step])

    assert writer.finish() == hashlib.sha256(BODY).hexdigest()
    assert sink.body == BODY
    assert sink.ends == BLOCK_ENDS
    assert len(sink.checkpoints) == 3


def test_blocks_end_at_multiples_of_their_size_after_a_resume() -> None:
    sink = RecordingSink()
    sink.body += BODY[:1000]
    writer = Writer(sink, 1000, hashlib.sha256(BODY[:1000]))
    writer.write(BODY[1000:])

    assert writer.finish() == hashlib.sha256(BODY).hexdigest()
    assert sink.ends == BLOCK_ENDS


def test_file_has_all_bytes(tmp_path: Path) -> None:
    rng = random.Random(2)
    partial = PartialFiles(tmp_path, "parts", "job").create()
    writer = Writer(OutputFile(partial, tmp_path, "x"))
    for start, end in pairwise([0, *sorted(rng.sample(range(len(BODY)), 50)), len(BODY)]):
        writer.write(BODY[start:end])

    assert writer.commit(writer.finish()) == "x"
    assert (tmp_path / "x").read_bytes() == BODY


def test_error_of_the_sink_reaches_the_caller() -> None:
    writer = Writer(FullSink())

    def fill() -> None:
        for _ in range(2 * MAX_BLOCKS):
            writer.write(bytes(BLOCK_BYTES))
        writer.finish()

    with pytest.raises(OSError, match="No space"):
        fill()
    writer.release(resumable=True)


def test_release_writes_the_last_bytes_for_a_later_attempt() -> None:
    sink = RecordingSink()
    writer = Writer(sink)
    writer.write(BODY[:1000])

    writer.release(resumable=True)

    assert sink.body == BODY[:1000]
    assert sink.checkpoints == [hashlib.sha256(BODY[:1000]).hexdigest()]
