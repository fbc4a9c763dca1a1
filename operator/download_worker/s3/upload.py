"""Save a file as an object in a bucket of an S3 service."""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from download_worker.errors import DownloadError
from download_worker.s3.advice import UPLOAD_VANISHED, object_exists
from download_worker.s3.bucket import Bucket
from download_worker.s3.client import S3Client
from download_worker.sink import Chunk, Sink

if TYPE_CHECKING:
    from obstore import PutMode

PART_BYTES: Final = 8 * 1024**2
"""Smallest part of a multipart upload."""
MAX_PARTS: Final = 9_000
"""Parts of an object that we plan for; Amazon's limit is 10,000."""
MAX_CONCURRENT_PARTS: Final = 2
"""Parts that are sent at the same time, which is the memory that an upload costs."""
MAX_WAITING_CHUNKS: Final = 2
"""Chunks of the body that the upload has not taken yet."""
POLL_SECONDS: Final = 0.2
"""Time between two checks whether the upload has ended, while it takes nothing."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """The object to write."""

    key: str
    content_type: str | None
    length: int = 0
    """Bytes that are expected; 0: not known."""
    sha256: str | None = None
    """Digest, if it is known before the first byte."""
    run: str | None = None
    """The only run that may write an object of this key; None: any object is replaced."""


class Upload(Sink):
    """Writes an object, which is invisible until it is complete.

    Args:
        bucket: where the object goes.
        target: the object.

    Raises:
        DownloadError: the service's address is refused, the service does not respond, or another
            run wrote an object of that key.
    """

    def __init__(self, bucket: Bucket, target: S3Object) -> None:
        self._bucket = bucket
        self._target = target
        self._part_bytes = max(PART_BYTES, target.length // MAX_PARTS)
        self._first_part = bytearray()
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING_CHUNKS)
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._aborted = False
        self._error: BaseException | None = None
        self._client = S3Client(bucket)
        try:
            self._mode = self._choose_mode()
        except BaseException:
            self._client.close()
            raise

    def write(self, chunk: Chunk) -> None:
        """Take the next bytes; a small object goes out in one request with the commit."""
        if self._thread:
            self._pass_on(bytes(chunk))
            return
        self._first_part += chunk
        if len(self._first_part) > self._part_bytes:
            self._thread = threading.Thread(target=self._put_parts, daemon=True)
            self._thread.start()
            self._pass_on(bytes(self._first_part))
            self._first_part.clear()

    def commit(self, sha256: str) -> str:
        """Complete the object; return its ``s3://`` address."""
        if self._thread:
            self._choose_mode()  # once more, because parts are put without a condition
            self._pass_on(None)
            self._thread.join()
        else:
            self._put_whole(sha256)
        if self._error and not self._is_own_object(self._error):
            raise self._explain(self._error)
        return f"s3://{self._bucket.name}/{self._target.key}"

    def discard(self) -> None:
        """Abort an upload that is not complete, and close the connections."""
        try:
            if self._thread and self._thread.is_alive():
                self._aborted = True
                self._pass_on(None)
                self._thread.join()
        finally:
            self._client.close()

    def _choose_mode(self) -> "PutMode":
        """Refuse to replace others' objects; replace one of an earlier attempt of this run."""
        if self._target.run is None:
            return "overwrite"
        attributes = self._client.attributes(self._target.key)
        if attributes is None:
            return "create"
        if attributes.get("run") != self._target.run:
            raise object_exists(self._bucket)
        return "overwrite"

    def _is_own_object(self, error: BaseException) -> bool:
        """Return whether a repeated request found what an earlier one had completed.

        There was no object when the upload began, so one of this run is its own.
        """
        from obstore.exceptions import AlreadyExistsError

        if self._mode != "create":
            return False
        is_complete = self._client.read_error(error).code == UPLOAD_VANISHED
        if not (is_complete or isinstance(error, AlreadyExistsError)):
            return False
        attributes = self._client.attributes(self._target.key) or {}
        return attributes.get("run") == self._target.run

    def _explain(self, error: BaseException) -> DownloadError:
        is_conditional = self._mode == "create" and self._thread is None
        return self._client.explain(error, is_conditional=is_conditional)

    def _attributes(self, sha256: str | None) -> dict[str, str]:
        target = self._target
        values = {"Content-Type": target.content_type, "sha256": sha256, "run": target.run}
        return {
            name: value
            for name, value in values.items()
            if value and value.isascii() and value.isprintable()  # a server may send anything
        }

    def _put_whole(self, sha256: str) -> None:
        import obstore

        try:
            obstore.put(
                self._client.store,
                self._target.key,
                bytes(self._first_part),
                attributes=self._attributes(sha256),
                mode=self._mode,
                use_multipart=False,
            )
        except BaseException as error:  # a panic of obstore is not an Exception
            self._error = error

    def _put_parts(self) -> None:
        import obstore

        try:
            obstore.put(
                self._client.store,
                self._target.key,
                self._chunks(),
                attributes=self._attributes(self._target.sha256),
                chunk_size=self._part_bytes,
                max_concurrency=MAX_CONCURRENT_PARTS,
            )
        except BaseException as error:  # a panic of obstore is not an Exception
            self._error = error
        finally:
            self._ended.set()

    def _chunks(self) -> Iterator[bytes]:
        while (chunk := self._waiting.get()) is not None:
            yield chunk
        if self._aborted:
            raise InterruptedError("the upload was aborted")

    def _pass_on(self, chunk: bytes | None) -> None:
        """Give the upload a chunk, or None for the end; raise what ended it before that."""
        while not self._ended.is_set():
            with suppress(queue.Full):
                self._waiting.put(chunk, timeout=POLL_SECONDS)
                return
        if self._error and chunk is not None:
            raise self._explain(self._error)
