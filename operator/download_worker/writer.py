"""Hash and write what comes in, beside the thread that receives it."""

import hashlib
import logging
import queue
import threading
import time
from typing import Any, Final

from download_worker.errors import DownloadError
from download_worker.store import Sink

log = logging.getLogger(__name__)

BLOCK: Final = 1024 * 1024
WAITING: Final = 2
"""Blocks that may wait: what a slow volume costs in memory."""
PATIENCE: Final = 1.0
"""Seconds after which less than a block is written too."""


class Writer:
    """Fills a sink. A body that fits into one block is written by the caller's own thread.

    Args:
        sink: takes the blocks in order.
        digest: ``hashlib`` object of what the sink has already.
    """

    def __init__(self, sink: Sink, digest: Any = None) -> None:
        self._sink = sink
        self._digest = digest or hashlib.sha256()
        self._block = bytearray()
        self._handed_on = time.monotonic()
        self._waiting: queue.Queue[bytearray | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            OSError, DownloadError: the sink could not take earlier ones.
        """
        self._block += chunk
        if len(self._block) >= BLOCK or time.monotonic() - self._handed_on > PATIENCE:
            self._handed_on = time.monotonic()
            if self._error:
                raise self._error
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._waiting.put(self._block)
            self._block = bytearray()

    def finish(self) -> str:
        """Wait until all is written; return the digest in hexadecimal digits.

        Raises:
            OSError, DownloadError: the sink could not take it.
        """
        self._stop()
        if self._error:
            raise self._error
        self._take(self._block)
        self._block = bytearray()
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

    def _stop(self) -> None:
        """Wait until every block handed on is written, or has failed to be."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (block := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._take(block)
                    self._sink.checkpoint(self._digest.hexdigest())
                except Exception as error:
                    self._error = error

    def _take(self, block: bytearray) -> None:
        self._digest.update(block)
        self._sink.write(block)
