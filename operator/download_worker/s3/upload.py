"""Keep a file in a bucket of an S3 service."""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from download_worker.s3.client import Bucket, Service, object_exists

if TYPE_CHECKING:
    from obstore import PutMode

PART_BYTES: Final = 8 * 1024**2
MAX_PARTS: Final = 9_000
"""Amazon's limit is 10,000 parts to an object."""
UPLOADS: Final = 2
"""Parts under way at the same time: what an upload costs in memory."""
MAX_WAITING: Final = 2
"""Pieces of the body that the upload has not taken yet."""
POLL_SECONDS: Final = 0.2
"""Between two looks whether the upload has ended, where it takes nothing."""


@dataclass(frozen=True, slots=True)
class Object:
    """What is to be put into a bucket."""

    key: str
    content_type: str | None
    """What the server said that it is."""
    length: int = 0
    """Bytes that are expected; 0: not known."""
    sha256: str | None = None
    """Digest without which it is not kept, if that is known before the first byte."""
    run: str | None = None
    """The one run that may put an object of this key; None: any is replaced."""


class Upload:
    """An object on its way to its key; nobody sees it before it is complete.

    Args:
        bucket: where to.
        wanted: what.

    Raises:
        DownloadError: the service must not be connected to, does not answer, or has an object of
            that key which another run put there.
    """

    def __init__(self, bucket: Bucket, wanted: Object) -> None:
        self._bucket = bucket
        self._object = wanted
        self._part_bytes = max(PART_BYTES, wanted.length // MAX_PARTS)
        self._first = bytearray()
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._aborted = False
        self._error: BaseException | None = None
        self._service = Service(bucket)
        try:
            self._mode = self._allowed_mode()
        except BaseException:
            self._service.close()
            raise

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; small objects go out in one request with the commit."""
        if self._thread is None:
            self._first += chunk
            if len(self._first) > self._part_bytes:
                self._thread = threading.Thread(target=self._send_parts, daemon=True)
                self._thread.start()
                self._hand_over(bytes(self._first))
                self._first.clear()
        else:
            self._hand_over(bytes(chunk))

    def checkpoint(self, sha256: str) -> None:
        """Do nothing: a later attempt begins anew."""

    def commit(self, sha256: str) -> None:
        """Complete the object."""
        if self._thread:
            self._allowed_mode()  # anew: the client puts parts without any condition
            self._hand_over(None)
            self._thread.join()
        else:
            self._send_whole(sha256)
        if self._error and not self._is_ours(self._error):
            raise self._service.explained(self._error)

    def abandon(self, resumable: bool) -> None:
        """Take back what was sent, but for a complete object."""
        del resumable
        try:
            if self._thread and self._thread.is_alive():
                self._aborted = True
                self._hand_over(None)
                self._thread.join()
        finally:
            self._service.close()

    def _allowed_mode(self) -> "PutMode":
        """Leave others' objects alone; what an earlier attempt put and could not report is ours."""
        if self._object.run is None:
            return "overwrite"
        found = self._service.metadata(self._object.key)
        if found is None:
            return "create"
        if found.get("run") != self._object.run:
            raise object_exists(self._bucket)
        return "overwrite"

    def _is_ours(self, error: BaseException) -> bool:
        """Whether a request that was repeated came upon what it had itself put there."""
        from obstore.exceptions import AlreadyExistsError

        if not isinstance(error, AlreadyExistsError):
            return False
        found = self._service.metadata(self._object.key) or {}
        return found.get("run") == self._object.run

    def _attributes(self, sha256: str | None) -> dict[str, str]:
        wanted = self._object
        told = {"Content-Type": wanted.content_type, "sha256": sha256, "run": wanted.run}
        return {
            name: value
            for name, value in told.items()
            if value and value.isascii() and value.isprintable()  # a server may say anything
        }

    def _send_whole(self, sha256: str) -> None:
        import obstore

        try:
            obstore.put(
                self._service.store,
                self._object.key,
                bytes(self._first),
                attributes=self._attributes(sha256),
                mode=self._mode,
                use_multipart=False,
            )
        except BaseException as error:  # obstore's panics are no Exception
            self._error = error

    def _send_parts(self) -> None:
        import obstore

        try:
            obstore.put(
                self._service.store,
                self._object.key,
                self._chunks(),
                attributes=self._attributes(self._object.sha256),
                chunk_size=self._part_bytes,
                max_concurrency=UPLOADS,
            )
        except BaseException as error:  # obstore's panics are no Exception
            self._error = error
        finally:
            self._over.set()

    def _chunks(self) -> Iterator[bytes]:
        while (chunk := self._waiting.get()) is not None:
            yield chunk
        if self._aborted:
            raise InterruptedError("abandoned")

    def _hand_over(self, chunk: bytes | None) -> None:
        while not self._over.is_set():
            with suppress(queue.Full):
                self._waiting.put(chunk, timeout=POLL_SECONDS)
                return
        if self._error and chunk is not None:
            raise self._service.explained(self._error)
