"""Hash and write a body beside the thread that receives it."""

import hashlib
import logging
import mmap
import threading
import time
from queue import SimpleQueue
from typing import Any, Final

from download_worker.errors import DownloadError
from download_worker.sink import Sink

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 1024 * 1024
MAX_BLOCKS: Final = 4
"""Blocks in use at most, which is the memory that a slow volume costs."""
MAX_DELAY_SECONDS: Final = 1.0
"""After this long, a block that is not full is written too."""


class Writer:
    """Fills a sink with blocks, which one thread hashes and another writes.

    Blocks end at multiples of their size in the file and begin at a page of memory, so that a sink
    can write them past the page cache. If a body ends before its first block is full, the caller's
    own thread hashes and writes it.

    Args:
        sink: takes the blocks in order.
        size: bytes that the sink has already.
        digest: ``hashlib`` object that has hashed those.
    """

    def __init__(self, sink: Sink, size: int = 0, digest: Any = None) -> None:
        self._sink = sink
        self._size = size
        self._digest = digest or hashlib.sha256()
        self._block = mmap.mmap(-1, BLOCK_BYTES)
        self._passed_on_at = time.monotonic()
        self._free: SimpleQueue[mmap.mmap] = SimpleQueue()
        self._to_hash: SimpleQueue[mmap.mmap | None] = SimpleQueue()
        self._to_write: SimpleQueue[tuple[mmap.mmap, str] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._error: Exception | None = None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            OSError, DownloadError: the sink could not take earlier ones.
        """
        rest = memoryview(chunk)
        while len(rest) >= (room := BLOCK_BYTES - self._size % BLOCK_BYTES):
            self._append(rest[:room])
            self._pass_on()
            rest = rest[room:]
        self._append(rest)
        if time.monotonic() - self._passed_on_at > MAX_DELAY_SECONDS:
            self._pass_on()

    def finish(self) -> str:
        """Wait until everything is written; return the digest in hexadecimal digits.

        Raises:
            OSError, DownloadError: the sink could not take it.
        """
        self._stop()
        if self._error:
            raise self._error
        self._digest.update(_content(self._block))
        self._sink.write(_content(self._block))
        self._block.seek(0)
        digest: str = self._digest.hexdigest()
        return digest

    def commit(self, sha256: str) -> str | None:
        """Save what has been written, with this digest; return where.

        Raises:
            OSError, DownloadError: the sink cannot save it.
        """
        return self._sink.commit(sha256)

    def release(self, resumable: bool) -> None:
        """Leave what has been written to a later attempt if *resumable*; otherwise drop it.

        Does nothing after a commit.
        """
        try:
            self._stop()
            if resumable and not self._error:
                self._sink.checkpoint(self.finish())
        except (OSError, DownloadError) as error:
            log.warning("the last bytes could not be saved for a later attempt: %s", error)
        finally:
            if resumable:
                self._sink.suspend()
            else:
                self._sink.discard()

    def _append(self, piece: memoryview) -> None:
        self._block.write(piece)
        self._size += len(piece)

    def _pass_on(self) -> None:
        """Give the block to the threads, and take a free one; wait if there is none."""
        self._passed_on_at = time.monotonic()
        if self._error:
            raise self._error
        if not self._threads:
            self._start()
        self._to_hash.put(self._block)
        self._block = self._free.get()

    def _start(self) -> None:
        for _ in range(MAX_BLOCKS - 1):
            self._free.put(mmap.mmap(-1, BLOCK_BYTES))
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._hash_blocks, self._write_blocks)
        ]
        for thread in self._threads:
            thread.start()

    def _stop(self) -> None:
        """Wait until every block that was passed on is written, or failed to be."""
        if self._threads:
            self._to_hash.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _hash_blocks(self) -> None:
        while (block := self._to_hash.get()) is not None:
            self._digest.update(_content(block))
            self._to_write.put((block, self._digest.hexdigest()))
        self._to_write.put(None)

    def _write_blocks(self) -> None:
        while (hashed := self._to_write.get()) is not None:
            block, sha256 = hashed
            if self._error is None:
                try:
                    self._sink.write(_content(block))
                    self._sink.checkpoint(sha256)
                except Exception as error:
                    self._error = error
            block.seek(0)
            self._free.put(block)


def _content(block: mmap.mmap) -> memoryview:
    return memoryview(block)[: block.tell()]
