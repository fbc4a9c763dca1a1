"""Hash and write what comes in, beside the thread that receives it."""

import hashlib
import logging
import mmap
import threading
import time
from queue import SimpleQueue
from typing import Any, Final

from download_worker.errors import DownloadError
from download_worker.volume.safe_paths import Sink

log = logging.getLogger(__name__)

BLOCK: Final = 1024 * 1024
BLOCKS: Final = 4
"""In use at most: what a slow volume costs in memory."""
PATIENCE: Final = 1.0
"""Seconds after which less than a block is written too."""


class Writer:
    """Fills a sink with blocks, hashed by one thread and written by another.

    Blocks end at multiples of their size in the file, and begin at a page of memory: both are what
    it takes to write past the page cache. A body that ends before the first of them does is hashed
    and written by the caller's own thread.

    Args:
        sink: takes the blocks in order.
        size: bytes that the sink has already.
        digest: ``hashlib`` object of those.
    """

    def __init__(self, sink: Sink, size: int = 0, digest: Any = None) -> None:
        self._sink = sink
        self._size = size
        self._digest = digest or hashlib.sha256()
        self._block = mmap.mmap(-1, BLOCK)
        self._handed_on = time.monotonic()
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
        while len(rest) >= (room := BLOCK - self._size % BLOCK):
            self._append(rest[:room])
            self._hand_on()
            rest = rest[room:]
        self._append(rest)
        if time.monotonic() - self._handed_on > PATIENCE:
            self._hand_on()

    def finish(self) -> str:
        """Wait until all is written; return the digest in hexadecimal digits.

        Raises:
            OSError, DownloadError: the sink could not take it.
        """
        self._stop()
        if self._error:
            raise self._error
        self._digest.update(_filled(self._block))
        self._sink.write(_filled(self._block))
        self._block.seek(0)
        digest: str = self._digest.hexdigest()
        return digest

    def commit(self, sha256: str) -> None:
        """Keep what was written, of that digest.

        Raises:
            OSError, DownloadError: the sink cannot.
        """
        self._sink.commit(sha256)

    def abandon(self, resumable: bool) -> None:
        """Do not keep it, but for a later attempt if *resumable*; nothing after a commit."""
        try:
            self._stop()
            if resumable and not self._error:
                self._sink.checkpoint(self.finish())
        except (OSError, DownloadError) as error:
            log.warning("what was fetched cannot be left as it is: %s", error)
        finally:
            self._sink.abandon(resumable)

    def _append(self, piece: memoryview) -> None:
        self._block.write(piece)
        self._size += len(piece)

    def _hand_on(self) -> None:
        self._handed_on = time.monotonic()
        if self._error:
            raise self._error
        if not self._threads:
            for _ in range(BLOCKS - 1):
                self._free.put(mmap.mmap(-1, BLOCK))
            self._threads = [
                threading.Thread(target=work, daemon=True) for work in (self._hash, self._fill)
            ]
            for thread in self._threads:
                thread.start()
        self._to_hash.put(self._block)
        self._block = self._free.get()

    def _stop(self) -> None:
        """Wait until every block handed on is written, or has failed to be."""
        if self._threads:
            self._to_hash.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _hash(self) -> None:
        while (block := self._to_hash.get()) is not None:
            self._digest.update(_filled(block))
            self._to_write.put((block, self._digest.hexdigest()))
        self._to_write.put(None)

    def _fill(self) -> None:
        while (hashed := self._to_write.get()) is not None:
            block, sha256 = hashed
            if self._error is None:
                try:
                    self._sink.write(_filled(block))
                    self._sink.checkpoint(sha256)
                except Exception as error:
                    self._error = error
            block.seek(0)
            self._free.put(block)


def _filled(block: mmap.mmap) -> memoryview:
    return memoryview(block)[: block.tell()]
