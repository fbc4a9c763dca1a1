"""The API server as the operator talks to it: JSON in, JSON out, every failure an exception."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import kopf
import orjson
from yarl import URL

from download_kube.login import NoClusterError

JSON = dict[str, Any]

FIELD_MANAGER: Final = "download-operator"
"""The API server names the manager of the fields we write by the user agent."""
WHOLE: Final = "application/json"
METADATA: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
"""With ``List`` in the braces for a list: objects without spec and status."""
MAX_LINE: Final = 4 * 1024**2
"""Longest event of a watch that is read, in bytes.

etcd stores up to 1.5 MiB an object, but Go writes ``<``, ``>`` and ``&`` as six bytes of JSON
each: whoever may create Jobs can make an event of 9 MB.
"""
READ_BUFFER: Final = 256 * 1024
"""Bytes of an answer that wait to be read before the sender has to pause; twice as many at most."""
TOKEN_SECONDS: Final = 60
"""After which a token is read again; the kubelet replaces ours at four fifths of its time."""
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


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line of more than :data:`MAX_LINE` bytes, skipped to its end."""

    beginning: bytes
    """Its first bytes, :data:`MAX_LINE` at most."""


UNREACHABLE: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What a request raises when no answer came."""


class KubeClient:
    """One connection pool and identity, used for everything the operator says.

    Bodies and answers are plain dictionaries: the official client's typed models cost more than
    the request itself, its session asks a thread for proxy and netrc settings before every one,
    and its import takes a fifth of the start (see docs/design/2026-11-where-the-time-goes.md).

    Args:
        login: says where the API server is and who we are; asked again for a new token.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        login: Callable[[], kopf.ConnectionInfo],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests by method and status of the answer; 0: there was none."""
        self._login = login
        self._clock = clock
        self._account = account = login()
        self._logged_in = clock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=account.as_ssl_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_BUFFER,
        )
        self._server = account.server.rstrip("/")
        self._proxy = account.proxy_url or _proxy(account.server)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

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
    ) -> AsyncIterator[AsyncIterator[bytes | OverlongLine]]:
        """Open a stream of lines; *silence* is how many seconds may pass without a byte.

        A line that is too long is one value as well, so that it does not end the stream.

        Raises:
            ApiError, aiohttp.ClientError, TimeoutError, OSError: as for :meth:`request`.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=silence)
        response = await self._send("GET", path, None, query, accept, timeout)
        try:
            if response.status >= 400:
                _answer(response.status, await response.read())
            yield split_lines(response.content.iter_any())
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
            **self._authorization(),
        }
        url = self._server + path + (f"?{urlencode(query)}" if query else "")
        status = 0
        try:
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=limits,
                proxy=self._proxy,
            )
            status = response.status
            return response
        finally:
            self.answers[method, status] += 1

    def _authorization(self) -> dict[str, str]:
        if self._clock() - self._logged_in >= TOKEN_SECONDS:
            self._logged_in = self._clock()
            with suppress(NoClusterError):  # the token that we have is good for a while
                again = self._login()
                if again.server == self._account.server:  # another one is not to see our requests
                    self._account = again
        return self._account.as_http_headers()


async def split_lines(
    chunks: AsyncIterator[bytes], longest: int = MAX_LINE
) -> AsyncIterator[bytes | OverlongLine]:
    """Yield the lines of *chunks* without their ends, of which the last may be missing.

    No more than *longest* bytes of a line are kept in memory, and one chunk.
    """
    line, overlong = bytearray(), False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for part in ends:
            if not line and len(part) <= longest:
                yield part
                continue
            overlong = overlong or len(line) + len(part) > longest
            line += part[: longest - len(line)]
            yield OverlongLine(bytes(line)) if overlong else bytes(line)
            line, overlong = bytearray(), False
        overlong = overlong or len(line) + len(rest) > longest
        line += rest[: longest - len(line)]
    if line:
        yield OverlongLine(bytes(line)) if overlong else bytes(line)


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
