"""Keep a file in a bucket of an S3 service."""

import logging
import queue
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from download_worker.addresses import Network, is_allowed
from download_worker.errors import DownloadError, Reason
from download_worker.transfer import Limits

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

    from download_worker.gate import Passed

log = logging.getLogger(__name__)

PART_BYTES: Final = 8 * 1024**2
MAX_PARTS: Final = 9_000
"""Amazon's limit is 10,000 parts to an object."""
UPLOADS: Final = 2
"""Parts under way at the same time: what an upload costs in memory."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and who may write to it."""

    name: str
    endpoint: str | None
    """Address of the service; None: Amazon's."""
    region: str
    credentials: Mapping[str, str]
    """Variables as Amazon's own tools call them."""
    secret: str
    """Name of the Secret that they are from."""
    limits: Limits

    @property
    def url(self) -> str:
        """Where the service is."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


class Upload:
    """An object on its way to its key; nobody sees it before it is complete.

    Args:
        bucket: where to.
        key: what the object will be called.
        content_type: what the server said that it is.
        length: bytes that are expected, if that is known.

    Raises:
        DownloadError: the service's address is not one that may be connected to.
    """

    def __init__(self, bucket: Bucket, key: str, content_type: str | None, length: int) -> None:
        self._bucket = bucket
        self._key = key
        self._attributes = {"Content-Type": content_type} if content_type else {}
        self._part_bytes = max(PART_BYTES, length // MAX_PARTS)
        self._first = bytearray()
        self._waiting: queue.Queue[bytes | None] = queue.Queue(2)
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._aborted = False
        self._error: Exception | None = None
        self._passed: Passed | None = None
        with ExitStack() as opened:
            proxy = bucket.limits.proxy
            if not proxy:
                _check_address(bucket.url, bucket.limits.allowed)
                self._passed = opened.enter_context(_gate(bucket.limits))
                proxy = f"http://127.0.0.1:{self._passed.port}"
            self._store = _store(bucket, proxy)
            self._opened = opened.pop_all()

    def write(self, chunk: bytes | bytearray) -> None:
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
            self._hand_over(None)
            self._thread.join()
        else:
            self._send_whole(sha256)
        if self._error:
            raise self._explained(self._error)

    def abandon(self, resumable: bool) -> None:
        """Take back what was sent, but for a complete object."""
        del resumable
        with self._opened:
            if self._thread and self._thread.is_alive():
                self._aborted = True
                self._hand_over(None)
                self._thread.join()

    def _send_whole(self, sha256: str) -> None:
        import obstore  # noqa: PLC0415

        attributes = {**self._attributes, "sha256": sha256}
        try:
            obstore.put(
                self._store,
                self._key,
                bytes(self._first),
                attributes=attributes,
                use_multipart=False,
            )
        except Exception as error:
            self._error = error

    def _send_parts(self) -> None:
        import obstore  # noqa: PLC0415

        try:
            obstore.put(
                self._store,
                self._key,
                self._chunks(),
                attributes=self._attributes,
                chunk_size=self._part_bytes,
                max_concurrency=UPLOADS,
            )
        except Exception as error:
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
            try:
                return self._waiting.put(chunk, timeout=0.2)
            except queue.Full:
                continue
        if self._error and chunk is not None:
            raise self._explained(self._error)
        return None

    def _explained(self, error: Exception) -> DownloadError:
        if self._passed and self._passed.refused:
            return _refused(*next(iter(self._passed.refused.items())))
        return _of_service(error, self._bucket)


def _gate(limits: Limits) -> "AbstractContextManager[Passed]":
    """Judge each connection to the service when it is made: a look-up may change its answer."""
    from download_worker.gate import gate  # noqa: PLC0415

    return gate(limits.allowed, sys.maxsize, limits.connect_seconds)


def _store(bucket: Bucket, proxy: str) -> "S3Store":
    from obstore.store import S3Store  # noqa: PLC0415

    config: S3Config = {
        "bucket": bucket.name,
        "endpoint": bucket.url,
        "region": bucket.region,
        "access_key_id": bucket.credentials["AWS_ACCESS_KEY_ID"],
        "secret_access_key": bucket.credentials["AWS_SECRET_ACCESS_KEY"],
        "virtual_hosted_style_request": False,
    }
    if token := bucket.credentials.get("AWS_SESSION_TOKEN"):
        config["session_token"] = token
    client: ClientConfig = {
        "allow_http": bucket.url.startswith("http://"),
        "timeout": "300s",
        "proxy_url": proxy,
    }
    return S3Store(
        config=config,
        client_options=client,
        retry_config={"max_retries": 3},
    )


def _check_address(url: str, allowed: Iterable[Network]) -> None:
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(
            parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM
        )
    except (OSError, ValueError):
        raise DownloadError(
            Reason.HOST_NOT_FOUND, f"Could not resolve host {parts.hostname} of the S3 endpoint."
        ) from None
    ranges = tuple(allowed)
    for *_, address in found:
        if not is_allowed(str(address[0]), ranges):
            raise _refused(str(parts.hostname), str(address[0]))


def _refused(where: str, address: str) -> DownloadError:
    return DownloadError(
        Reason.ADDRESS_REFUSED,
        f"The S3 endpoint {where} is at {address}, which is not a public address: "
        "have the operator's configuration allow its range.",
    )


def _of_service(error: Exception, bucket: Bucket) -> DownloadError:
    from obstore import exceptions  # noqa: PLC0415

    words = _first_line(error)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return DownloadError(
            Reason.BUCKET_DENIED,
            f"The bucket {bucket.name} refuses the credentials or their right to write: correct "
            f"the Secret {bucket.secret} or the bucket's policy ({words}).",
        )
    if isinstance(error, FileNotFoundError | exceptions.NotFoundError):
        return DownloadError(
            Reason.BUCKET_NOT_FOUND,
            f"The S3 service has no bucket {bucket.name}: make it ({words}).",
        )
    return DownloadError(Reason.UPLOAD_FAILED, f"The object could not be stored: {words}.")


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
