"""The API server as the HTTP API talks to it: JSON in, JSON out, every failure an exception."""

import copy
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

JSON = dict[str, Any]

FIELD_MANAGER: Final = "download-operator-api"
"""The API server names the manager of the fields we write by the user agent."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
"""A person or program is waiting for the answer."""
MAX_LINE: Final = 4 * 1024**2
"""Bytes of one event of a watch; etcd takes no object of more than 1.5 MiB."""


class ClusterError(Exception):
    """The API server answered, and refused.

    Attributes:
        status: HTTP status code, 400 to 599.
        reason: Kubernetes' word for it, such as ``AlreadyExists``; empty if there is none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class UnreachableError(Exception):
    """No answer came from the API server."""


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


class Cluster:
    """One connection pool and identity for all requests.

    The client library's own session asks a thread for proxy and netrc settings before every
    request (see docs/design/2026-11-where-the-time-goes.md); this one does not.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests by method and status; 0: there was no answer."""
        self._api = api = ApiClient(configuration)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=api.rest_client.ssl_context),
            read_bufsize=MAX_LINE,
        )
        self._anonymous = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_without_certificate(configuration)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._proxy = _proxy(configuration.host)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await self._anonymous.close()
        await self._api.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> JSON:
        """Send one request and return the answer; *content_type* is the body's.

        Raises:
            ClusterError: the API server refused.
            UnreachableError: no answer came within ten seconds.
        """
        with _reaching():
            answer = await self._send(method, path, body, query, content_type, TIMEOUT)
            text = await answer.read()
        return _checked(answer.status, text)

    async def get_as(self, token: str, path: str) -> JSON:
        """Read something with the rights of the *token*'s owner, and none of ours.

        Raises:
            ClusterError: the API server refused him.
            UnreachableError: no answer came within ten seconds.
        """
        headers = {"Authorization": f"Bearer {token}", "User-Agent": FIELD_MANAGER}
        configuration = self._api.configuration
        with _reaching():
            answer = await self._counted(
                "GET",
                self._anonymous.get(
                    URL(configuration.host + path, encoded=True),
                    headers=headers,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    proxy=configuration.proxy or self._proxy,
                    server_hostname=configuration.tls_server_name,
                ),
            )
            text = await answer.read()
        return _checked(answer.status, text)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open what has no end of its own: a log, or a watch.

        Args:
            path: what to read.
            query: how.

        Raises:
            ClusterError: the API server refused.
            UnreachableError: no answer came, or it broke off.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        with _reaching():
            answer = await self._send("GET", path, None, query, "application/json", timeout)
            try:
                if answer.status >= 400:
                    _checked(answer.status, await answer.read())
                yield answer.content
            finally:
                answer.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": content_type,
            "User-Agent": FIELD_MANAGER,
        }
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        configuration = self._api.configuration
        url = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        return await self._counted(
            method,
            self._session.request(
                method,
                URL(url, encoded=True),
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=limits,
                proxy=configuration.proxy or self._proxy,
                server_hostname=configuration.tls_server_name,
            ),
        )

    async def _counted(
        self, method: str, sending: Awaitable[aiohttp.ClientResponse]
    ) -> aiohttp.ClientResponse:
        status = 0
        try:
            answer = await sending
            status = answer.status
            return answer
        finally:
            self.answers[method, status] += 1


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from error


def _checked(status: int, text: bytes) -> JSON:
    answer = _object(text)
    if status >= 400:
        told = answer or {}
        message = told.get("message") or f"the API server answered {status}"
        raise ClusterError(status, told.get("reason") or "", message)
    if answer is None:  # something on the way, such as a load balancer, answered in its place
        raise UnreachableError("the answer is no JSON object")
    return answer


def _without_certificate(configuration: Configuration) -> ssl.SSLContext:
    """A certificate of ours would go before anybody's token."""
    anonymous = copy.copy(configuration)
    anonymous.cert_file = None
    context: ssl.SSLContext = RESTClientObject(anonymous).ssl_context
    return context


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for *url*."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _object(text: bytes) -> JSON | None:
    try:
        parsed = orjson.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
