"""The API server as both processes talk to it: JSON in, JSON out, every failure an exception.

Bodies and responses are plain dictionaries. The official client's typed models cost more than the
request itself, its session asks a thread for proxy and netrc settings before each one, and its
import takes a fifth of the operator's start (see docs/design/2026-11-operator-speed.md).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import kopf
import orjson
from yarl import URL

from download_kube.errors import ApiError, UnreachableError, UnreadableError
from download_kube.lines import LARGE_BYTES
from download_kube.login import NoClusterError
from download_schedule.types import JSONObject

JSON_TYPE: Final = "application/json"
METADATA_TYPE: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Accept header for objects without spec and status."""
METADATA_LIST_TYPE: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The same for a list of them."""
TABLE_TYPE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
"""Accept header for the columns that kubectl prints of objects."""
TOKEN_SECONDS: Final = 60
"""How often the token is read again. The kubelet renews it at four fifths of its lifetime."""
READ_BUFFER: Final = 256 * 1024
"""Bytes of a response that may wait to be read before the sender has to pause."""
LARGE_READS: Final = 2

Login = Callable[[], kopf.ConnectionInfo]
"""Says where the API server is and who we are."""


class KubeClient:
    """One connection pool and one identity.

    Args:
        login: called once now and once a minute afterwards, for a new token.
        user_agent: also what the API server records as manager of the fields that we write.
        timeout_seconds: of one request; streams have their own limit.
        clock: monotonic seconds.

    Raises:
        NoClusterError: *login* knows no cluster.
    """

    def __init__(
        self,
        login: Login,
        user_agent: str,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.responses: Counter[tuple[str, int]] = Counter()
        """Requests by method and status; status 0 means that no response came."""
        self.large_reads = asyncio.Semaphore(LARGE_READS)
        """Held while something large is read: an object, a page, or an event of a watch.

        Any tenant can make objects of 9 MB. Many that come at the same time wait for each other.
        """
        self._login = login
        self._clock = clock
        self._account = account = login()
        self._logged_in_at = clock()
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._server = account.server.rstrip("/")
        self._proxy = account.proxy_url or _proxy_for(account.server)
        self._session = _session(account)
        self._anonymous: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        if self._anonymous is not None:
            await self._anonymous.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
    ) -> JSONObject:
        """Send one request and return the response's body.

        Args:
            method: HTTP method.
            path: path on the API server, already percent-encoded.
            body: sent as JSON.
            query: query parameters.
            accept: media type of the response.
            content_type: media type of *body*.

        Raises:
            ApiError: the API server refused.
            UnreachableError: no usable response came.
        """
        with _unreachable_errors():
            response = await self._send(
                method, path, body, query, accept, self._timeout, content_type
            )
            return await self._read(response)

    async def get_as(self, token: str, path: str) -> JSONObject:
        """Read *path* with the rights of the token's owner, and none of our own.

        Raises:
            ApiError: the API server refused the owner of the token.
            UnreachableError: no usable response came.
        """
        if self._anonymous is None:
            # With our client certificate the API server would not look at the token.
            self._anonymous = _session(
                replace(
                    self._account,
                    certificate_path=None,
                    certificate_data=None,
                    private_key_path=None,
                    private_key_data=None,
                )
            )
        request = self._anonymous.get(
            URL(self._server + path, encoded=True),
            headers={"Authorization": f"Bearer {token}", "User-Agent": self._user_agent},
            timeout=self._timeout,
            allow_redirects=False,
            proxy=self._proxy,
        )
        with _unreachable_errors():
            response = await self._counted("GET", request)
            text = await response.read()
        return _parse(response.status, text)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str],
        accept: str = JSON_TYPE,
        idle_timeout_seconds: float | None = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a response that has no end of its own: a watch, or a log.

        Errors while the body is read are raised as :class:`UnreachableError`, too.

        Args:
            path: path on the API server, already percent-encoded.
            query: query parameters.
            accept: media type of the response.
            idle_timeout_seconds: how long the stream may be silent; None for any time.

        Raises:
            ApiError: the API server refused.
            UnreachableError: no usable response came, or it broke off.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout.total, sock_read=idle_timeout_seconds
        )
        with _unreachable_errors():
            response = await self._send("GET", path, None, query, accept, timeout)
            try:
                if response.status >= 400:
                    _parse(response.status, await response.read())
                yield response.content
            finally:
                response.close()

    async def _read(self, response: aiohttp.ClientResponse) -> JSONObject:
        """Read and parse a response. One that is large waits for its turn."""
        text = bytearray()
        try:
            async for chunk in response.content.iter_any():
                text += chunk
                if len(text) > LARGE_BYTES:
                    break
            else:
                return _parse(response.status, text)
            async with self.large_reads:
                async for chunk in response.content.iter_any():
                    text += chunk
                return _parse(response.status, text)
        except BaseException:
            response.close()
            raise

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, str] | None,
        accept: str,
        limits: aiohttp.ClientTimeout,
        content_type: str = JSON_TYPE,
    ) -> aiohttp.ClientResponse:
        headers = {
            "Accept": accept,
            # Compression costs more CPU than it saves on a cluster-local network.
            "Accept-Encoding": "identity",
            "Content-Type": content_type,
            "User-Agent": self._user_agent,
            **self._authorization(),
        }
        url = self._server + path + (f"?{urlencode(query)}" if query else "")
        request = self._session.request(
            method,
            URL(url, encoded=True),
            data=None if body is None else orjson.dumps(body),
            headers=headers,
            timeout=limits,
            allow_redirects=False,
            proxy=self._proxy,
        )
        return await self._counted(method, request)

    async def _counted(
        self, method: str, request: Awaitable[aiohttp.ClientResponse]
    ) -> aiohttp.ClientResponse:
        status = 0
        try:
            response = await request
            status = response.status
            if 300 <= status < 400:
                response.close()
                raise UnreachableError(f"a redirect ({status}), which is never followed")
            return response
        finally:
            self.responses[method, status] += 1

    def _authorization(self) -> dict[str, str]:
        if self._clock() - self._logged_in_at >= TOKEN_SECONDS:
            self._logged_in_at = self._clock()
            with suppress(NoClusterError):  # the token that we have is good for a while
                account = self._login()
                if account.server == self._account.server:  # never show our token to another server
                    self._account = account
        return self._account.as_http_headers()


def _session(account: kopf.ConnectionInfo) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=account.as_ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER,
    )


@contextmanager
def _unreachable_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from error


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for *url*."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _parse(status: int, text: bytes | bytearray) -> JSONObject:
    document = _parse_object(text)
    if status >= 400:
        details = document or {}
        message = details.get("message") or f"the API server responded with status {status}"
        raise ApiError(status, details.get("reason") or "", message)
    if document is None:
        raise UnreadableError("the response is not a JSON object")
    if isinstance(metadata := document.get("metadata"), dict):
        # Up to 1.5 MB that we never read. An update without them leaves them as they are.
        metadata.pop("managedFields", None)
    return document


def _parse_object(text: bytes | bytearray) -> JSONObject | None:
    try:
        document = orjson.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
