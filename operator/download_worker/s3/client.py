"""The S3 service of a bucket: where it may be, what it holds, and its refusals in words."""

import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from download_worker.egress.policy import Network, is_allowed
from download_worker.errors import DownloadError, Reason
from download_worker.http.curl import Limits

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

    from download_worker.egress.proxy import Passed

_NOT_IMPLEMENTED: Final = "501 Not Implemented"


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


class Service:
    """The way to a bucket.

    Raises:
        DownloadError: the service's address is not one that may be connected to.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._passed: Passed | None = None
        with ExitStack() as opened:
            proxy = bucket.limits.proxy
            if not proxy:
                _check_address(bucket.url, bucket.limits.allowed)
                self._passed = _gate(opened, bucket.limits)
                proxy = f"http://127.0.0.1:{self._passed.port}"
            self.store = _store(bucket, proxy)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let go of the connections."""
        self._opened.close()

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """Return what an object is marked with; None: there is none, or not for us to see.

        Raises:
            DownloadError: the service does not answer.
        """
        import obstore
        from obstore import exceptions as refused

        try:
            found = obstore.get(self.store, key, options={"head": True})
        except (FileNotFoundError, refused.PermissionDeniedError, refused.UnauthenticatedError):
            return None  # a key that may only write is told 403 of whatever it asks for
        except BaseException as error:  # obstore's panics are no Exception
            raise self.explained(error) from error
        return {str(name): value for name, value in found.attributes.items()}

    def explained(self, error: BaseException) -> DownloadError:
        """Say what the service refused."""
        if self._passed and self._passed.refused:
            return _refused(*next(iter(self._passed.refused.items())))
        return _of_service(error, self._bucket)


def _gate(opened: ExitStack, limits: Limits) -> "Passed":
    """Judge each connection to the service when it is made: a look-up may change its answer."""
    from download_worker.egress.proxy import gate

    return opened.enter_context(gate(limits.allowed, sys.maxsize, limits.connect_seconds))


def _store(bucket: Bucket, proxy: str) -> "S3Store":
    from obstore.store import S3Store

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
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError:
        raise DownloadError(
            Reason.INVALID_URL,
            f"The S3 endpoint {url} is no address: write one such as https://s3.example.com.",
        ) from None
    except OSError:
        raise DownloadError(
            Reason.HOST_NOT_FOUND, f"Could not resolve host {host} of the S3 endpoint."
        ) from None
    ranges = tuple(allowed)
    for *_, address in found:
        if not is_allowed(str(address[0]), ranges):
            raise _refused(host, str(address[0]))


def _refused(where: str, address: str) -> DownloadError:
    return DownloadError(
        Reason.ADDRESS_REFUSED,
        f"The S3 endpoint {where} is at {address}, which is not a public address: "
        "have the operator's configuration allow its range.",
    )


def _of_service(error: BaseException, bucket: Bucket) -> DownloadError:
    from obstore import exceptions

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
    if isinstance(error, exceptions.AlreadyExistsError):
        return object_exists(bucket)
    if _NOT_IMPLEMENTED in words:
        return DownloadError(
            Reason.UPLOAD_FAILED,
            "The S3 service cannot keep objects from being replaced: write a key without "
            f"{{scheduled}}, or use another service ({words}).",
        )
    return DownloadError(Reason.UPLOAD_FAILED, f"The object could not be stored: {words}.")


def object_exists(bucket: Bucket) -> DownloadError:
    """Say that somebody else's object has the key."""
    return DownloadError(
        Reason.OBJECT_EXISTS,
        f"The bucket {bucket.name} already has an object of this key, which another run or "
        "somebody else put there: choose another key, for example with {namespace} and {name} "
        "in it.",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
