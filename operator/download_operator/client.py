"""The API server as the operator talks to it: JSON in, JSON out, every failure an exception."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from yarl import URL

JSON = dict[str, Any]

FIELD_MANAGER: Final = "download-operator"
"""The API server names the manager of the fields we write by the user agent."""
WHOLE: Final = "application/json"
METADATA: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
"""With ``List`` in the braces for a list: objects without spec and status."""
MAX_LINE: Final = 4 * 1024**2
"""Bytes of one event of a watch; etcd takes no object of more than 1.5 MiB."""
REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""Of one request; a watch has limits of its own."""


class ApiError(Exception):
    """The API server answered, and refused.

    Attributes:
        status: HTTP status code, 400 to 599.
        reason: Kubernetes' word for it, such as ``AlreadyExists``; empty if there is none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


UNREACHABLE: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What a request raises when no answer came."""


async def login() -> Configuration:
    """Return how to reach the API server, and as whom.

    As the Pod's service account, or by the kubeconfig where there is none.

    Raises:
        kubernetes.aio.config.ConfigException: neither is there, or what is there is no good.
    """
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=configuration)
        except config.ConfigException:
            raise
        except Exception as error:  # the library lets whatever is wrong with the file pass
            raise config.ConfigException(f"the kubeconfig cannot be read: {error}") from error
    try:
        ApiClient(configuration)
    except OSError as error:  # that of ssl is one
        raise config.ConfigException(f"the certificates cannot be read: {error}") from error
    return configuration


class KubeClient:
    """One connection pool and identity, used for everything the operator says.

    Bodies and answers are plain dictionaries: the client library's typed models cost more than
    the request itself. So does its own session, which asks a thread for proxy and netrc settings
    before every request (see docs/design/2026-11-where-the-time-goes.md).
    """

    def __init__(self, configuration: Configuration) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests by method and status of the answer; 0: there was none."""
        self._api = api = ApiClient(configuration)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=api.rest_client.ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=MAX_LINE,
        )
        self._proxy = _proxy(configuration.host)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self._api.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = WHOLE,
        content_type: str = WHOLE,
    ) -> JSON:
        """Send one request and return the answer; the media types are of answer and body.

        Raises:
            ApiError: the API server refused.
            aiohttp.ClientError, TimeoutError, OSError: no answer came (see :data:`UNREACHABLE`).
        """
        response = await self._send(
            method, path, body, query, accept, REQUEST_TIMEOUT, content_type
        )
        return _answer(response.status, await response.read())

    @asynccontextmanager
    async def lines(
        self, path: str, query: Mapping[str, str], accept: str, silence: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a stream of lines; *silence* is how many seconds may pass without a byte.

        Raises:
            ApiError, aiohttp.ClientError, TimeoutError, OSError: as for :meth:`request`.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=silence)
        response = await self._send("GET", path, None, query, accept, timeout)
        try:
            if response.status >= 400:
                _answer(response.status, await response.read())
            yield response.content
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        accept: str,
        limits: aiohttp.ClientTimeout,
        content_type: str = WHOLE,
    ) -> aiohttp.ClientResponse:
        headers = {
            "Accept": accept,
            "Accept-Encoding": "identity",  # to compress costs more than the way is long
            "Content-Type": content_type,
            "User-Agent": FIELD_MANAGER,
        }
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        configuration = self._api.configuration
        url = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        status = 0
        try:
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=limits,
                proxy=configuration.proxy or self._proxy,
                server_hostname=configuration.tls_server_name,
            )
            status = response.status
            return response
        finally:
            self.answers[method, status] += 1


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for *url*."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _answer(status: int, text: bytes) -> JSON:
    answer = _object(text)
    if status >= 400:
        told = answer or {}
        message = told.get("message") or f"the API server answered {status}"
        raise ApiError(status, told.get("reason") or "", message)
    if answer is None:  # something on the way, such as a load balancer, answered in its place
        raise aiohttp.ClientPayloadError("the answer is no JSON object")
    return answer


def _object(text: bytes) -> JSON | None:
    try:
        parsed = orjson.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
