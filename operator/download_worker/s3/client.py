"""The client of an S3 service: where it may connect to, and its errors in words."""

import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from download_schedule.attempt.task import (
    ACCESS_KEY_ID_VARIABLE,
    SECRET_ACCESS_KEY_VARIABLE,
    SESSION_TOKEN_VARIABLE,
)
from download_worker.egress.policy import EgressPolicy, refusal_error
from download_worker.errors import DownloadError, Reason
from download_worker.http.curl import ConnectionOptions
from download_worker.http.redirects import effective_port

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

    from download_worker.egress.proxy import ProxyStats

_NOT_IMPLEMENTED: Final = "501 Not Implemented"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and the credentials for it."""

    name: str
    endpoint: str | None
    """Address of the service; None stands for Amazon's."""
    region: str
    credentials: Mapping[str, str]
    """Values of the variables that Amazon's own tools read."""
    secret: str
    """Name of the Secret with the credentials."""
    connection: ConnectionOptions

    @property
    def url(self) -> str:
        """Address of the service."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


class S3Client:
    """A client for one bucket. obstore connects through our own proxy, which applies the policy.

    Attributes:
        store: the bucket, for obstore's functions.

    Raises:
        DownloadError: the service's address or port may not be connected to.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        _check_endpoint(bucket.url, bucket.connection)
        with ExitStack() as stack:
            self._proxy_stats = _start_proxy(stack, bucket.connection)
            self.store = _open_store(bucket, f"http://127.0.0.1:{self._proxy_stats.port}")
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()

    def attributes(self, key: str) -> Mapping[str, str] | None:
        """Return an object's attributes; None if there is no object, or we may not see it.

        Raises:
            DownloadError: the service does not respond.
        """
        import obstore
        from obstore import exceptions

        try:
            response = obstore.get(self.store, key, options={"head": True})
        except (
            FileNotFoundError,
            exceptions.PermissionDeniedError,
            exceptions.UnauthenticatedError,
        ):
            return None  # credentials that may only write get 403 for whatever they ask
        except BaseException as error:  # a panic of obstore is not an Exception
            raise self.explain(error) from error
        return {str(name): value for name, value in response.attributes.items()}

    def explain(self, error: BaseException) -> DownloadError:
        """Return what went wrong, with advice."""
        if refused := self._proxy_stats.refused:
            host_and_port, reason = next(iter(refused.items()))
            host, _, port = host_and_port.rpartition(":")
            return _refused(reason, host, int(port))
        return _service_error(error, self._bucket)


def object_exists(bucket: Bucket) -> DownloadError:
    """Return the error for a key at which there is an object of somebody else's."""
    return DownloadError(
        Reason.OBJECT_EXISTS,
        f"The bucket {bucket.name} already has an object of this key, which another run or "
        "somebody else put there: choose another key, for example with {namespace} and {name} "
        "in it.",
    )


def _start_proxy(stack: ExitStack, connection: ConnectionOptions) -> "ProxyStats":
    """Judge every connection to the service when it is made: its name may change its address."""
    from download_worker.egress.proxy import egress_proxy

    proxy = egress_proxy(
        connection.egress,
        max_bytes=sys.maxsize,
        connect_timeout_seconds=connection.connect_timeout_seconds,
        next_proxy=connection.proxy,
    )
    return stack.enter_context(proxy)


def _open_store(bucket: Bucket, proxy_url: str) -> "S3Store":
    from obstore.store import S3Store

    config: S3Config = {
        "bucket": bucket.name,
        "endpoint": bucket.url,
        "region": bucket.region,
        "access_key_id": bucket.credentials[ACCESS_KEY_ID_VARIABLE],
        "secret_access_key": bucket.credentials[SECRET_ACCESS_KEY_VARIABLE],
        "virtual_hosted_style_request": False,
    }
    if token := bucket.credentials.get(SESSION_TOKEN_VARIABLE):
        config["session_token"] = token
    client_options: ClientConfig = {
        "allow_http": bucket.url.startswith("http://"),
        "timeout": "300s",
        "proxy_url": proxy_url,
    }
    return S3Store(
        config=config,
        client_options=client_options,
        retry_config={"max_retries": 3},
    )


def _check_endpoint(url: str, connection: ConnectionOptions) -> None:
    """Refuse an endpoint before the body is read, and not only when the object is written."""
    try:
        host, port = urlsplit(url).hostname or "", effective_port(url) or 0
        if not connection.egress.has_port(port):
            raise _refused(Reason.PORT_REFUSED, host, port)
        if not connection.proxy:
            _check_addresses(host, port, connection.egress)
    except ValueError:
        raise DownloadError(
            Reason.INVALID_URL,
            f"The S3 endpoint {url} is invalid: write an address such as https://s3.example.com.",
        ) from None
    except OSError:
        raise DownloadError(
            Reason.HOST_NOT_FOUND, f"Could not resolve host {host} of the S3 endpoint."
        ) from None


def _check_addresses(host: str, port: int, egress: EgressPolicy) -> None:
    """Refuse a host without an allowed address. The proxy connects to none but the allowed ones."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    reasons = [egress.refusal(str(entry[4][0]), port) for entry in entries]
    if None not in reasons:
        is_port = Reason.PORT_REFUSED in reasons
        raise _refused(Reason.PORT_REFUSED if is_port else Reason.ADDRESS_REFUSED, host, port)


def _refused(reason: Reason, host: str, port: int) -> DownloadError:
    return refusal_error(reason, f"The S3 endpoint {host}", port)


def _service_error(error: BaseException, bucket: Bucket) -> DownloadError:
    from obstore import exceptions

    words = _first_line(error)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return DownloadError(
            Reason.BUCKET_DENIED,
            f"The bucket {bucket.name} refuses the credentials, or their right to write: correct "
            f"the Secret {bucket.secret} or the bucket's policy ({words}).",
        )
    if isinstance(error, FileNotFoundError | exceptions.NotFoundError):
        return DownloadError(
            Reason.BUCKET_NOT_FOUND,
            f"The S3 service has no bucket {bucket.name}: create it ({words}).",
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


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
