"""The client of an S3 service: where it may connect to, and its errors in words."""

import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from download_schedule.attempt.variables import (
    ACCESS_KEY_ID_VARIABLE,
    SECRET_ACCESS_KEY_VARIABLE,
    SESSION_TOKEN_VARIABLE,
)
from download_worker.egress.policy import EgressPolicy, refusal_error
from download_worker.errors import DownloadError, Reason
from download_worker.http.curl import ConnectionOptions
from download_worker.http.redirects import effective_port
from download_worker.s3 import advice
from download_worker.s3.bucket import Bucket
from download_worker.s3.error_document import ServiceError, quote, read_error

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

    from download_worker.egress.proxy import ProxyStats

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""Largest response of the service. Those to what we ask for have some hundred bytes."""

_CLIENT_ERRORS: Final = range(400, 500)
_PROXY_STATUSES: Final = frozenset({None, 502, 504})
"""What obstore makes of a connection that the proxy could not make, or ended."""


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
            raise self.explain(self._with_words(key, error)) from error
        return {str(name): value for name, value in response.attributes.items()}

    def explain(self, error: BaseException, *, is_conditional: bool = False) -> DownloadError:
        """Return what went wrong, with advice.

        Args:
            error: that obstore raised.
            is_conditional: whether the request was not to replace an object.
        """
        stats, bucket = self._proxy_stats, self._bucket
        if stats.refused:
            host_and_port, reason = next(iter(stats.refused.items()))
            host, _, port = host_and_port.rpartition(":")
            return _refused(reason, host, int(port))
        response = self.read_error(error)
        if stats.failure and response.status in _PROXY_STATUSES:
            return DownloadError(
                Reason.UPLOAD_FAILED,
                f"No S3 service responds at {bucket.url} ({quote(stats.failure)}): check "
                "endpoint, or wait for another attempt.",
            )
        return advice.explain(response, bucket, is_conditional=is_conditional)

    def read_error(self, error: BaseException) -> ServiceError:
        """Return what the service said."""
        return read_error(error, tuple(self._bucket.credentials.values()))

    def _with_words(self, key: str, error: BaseException) -> BaseException:
        """Return the same error as a GET brings it: the response to HEAD cannot say why."""
        import obstore

        response = self.read_error(error)
        if response.has_body or response.status not in _CLIENT_ERRORS:
            return error
        try:
            obstore.get_range(self.store, key, start=0, length=1)
        except BaseException as worded:  # a panic of obstore is not an Exception
            if self.read_error(worded).status == response.status:
                return worded
        return error


def _start_proxy(stack: ExitStack, connection: ConnectionOptions) -> "ProxyStats":
    """Judge every connection to the service when it is made: its name may change its address."""
    from download_worker.egress.proxy import egress_proxy

    proxy = egress_proxy(
        connection.egress,
        max_bytes=sys.maxsize,
        max_response_bytes=MAX_RESPONSE_BYTES,
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
