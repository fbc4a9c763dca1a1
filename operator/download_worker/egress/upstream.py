"""Connections of the egress proxy to servers, or to the next proxy."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import h11
from aiohappyeyeballs import AddrInfoType, start_connection

from download_worker.egress import http1
from download_worker.egress.http1 import Target
from download_worker.egress.policy import EgressPolicy
from download_worker.errors import Reason

NEXT_ADDRESS_SECONDS: Final = 0.25
"""Wait before the next address is tried too (RFC 8305, 5). One that refuses is not waited for."""
MAX_ADDRESSES_PER_FAMILY: Final = 8
"""Addresses of a name that are tried, of IPv4 and of IPv6 each; a name may have any number."""

WHAT: Final = {Reason.ADDRESS_REFUSED: "address", Reason.PORT_REFUSED: "port"}
"""What is refused, in words."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RefusedError(Exception):
    """The proxy does not connect. The arguments are the status and the explanation."""


class Upstream:
    """Connects to where requests lead.

    Args:
        policy: which addresses and ports are open.
        connect_timeout_seconds: for a look-up and the connection that follows.
        next_proxy: through which everything goes, ``http://host:port``; empty: none.
        on_refusal: called with every target that the policy refuses.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        connect_timeout_seconds: float,
        next_proxy: str,
        on_refusal: Callable[[Target, Reason], None],
    ) -> None:
        self._policy = policy
        self._connect_timeout_seconds = connect_timeout_seconds
        self._next_proxy = urlsplit(next_proxy)
        self._on_refusal = on_refusal

    @property
    def is_proxy(self) -> bool:
        """Whether requests go to another proxy, which needs the whole address."""
        return bool(self._next_proxy.hostname)

    @asynccontextmanager
    async def connection(self, target: Target) -> AsyncIterator[Streams]:
        """Connect for one request.

        Raises:
            RefusedError: the policy refuses the target, or nothing there accepts.
        """
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                if self.is_proxy:
                    streams = await self._connect_by_next_proxy(target)
                else:
                    streams = await self._connect(target)
        except TimeoutError:
            raise RefusedError(504, f"no connection to {target.host}") from None
        try:
            yield streams
        finally:
            streams[1].close()

    async def _connect(self, target: Target) -> Streams:
        """Connect to one of the host's addresses that the policy allows."""
        try:
            entries = await _look_up(target.host, target.port)
        except (OSError, UnicodeError):
            raise RefusedError(502, f"host {target.host} not found") from None
        verdicts = [self._policy.refusal(str(entry[4][0]), target.port) for entry in entries]
        allowed = [entry for entry, refusal in zip(entries, verdicts, strict=True) if not refusal]
        if not allowed:
            is_port = Reason.PORT_REFUSED in verdicts
            raise self._refuse(target, Reason.PORT_REFUSED if is_port else Reason.ADDRESS_REFUSED)
        try:
            return await _connect_to_any(allowed)
        except OSError:
            raise RefusedError(502, f"no connection to {target.host}") from None

    def _refuse(self, target: Target, reason: Reason) -> RefusedError:
        self._on_refusal(target, reason)
        return RefusedError(403, f"the {WHAT[reason]} of {target.host} is refused")

    async def _connect_by_next_proxy(self, target: Target) -> Streams:
        """Connect to the next proxy, and through it to the host where a tunnel is asked for."""
        if not self._policy.has_port(target.port):
            raise self._refuse(target, Reason.PORT_REFUSED)
        host, port = self._next_proxy.hostname or "", self._next_proxy.port or 0
        try:
            streams = await _connect_to_any(await _look_up(host, port))
        except OSError:
            raise RefusedError(502, "no connection to the proxy") from None
        try:
            if target.is_tunnel:
                await _ask_for_tunnel(target, streams)
        except BaseException:
            streams[1].close()
            raise
        return streams


async def receive_response(reader: asyncio.StreamReader) -> h11.Response:
    """Return the final response; interim ones (1xx) are left out.

    Raises:
        RefusedError: it is invalid.
    """
    while True:
        head = await reader.readuntil(http1.END_OF_HEAD)
        try:
            response = http1.parse_response(head)
        except ValueError as error:
            raise RefusedError(502, f"invalid response: {error}") from None
        if isinstance(response, h11.Response):
            return response


async def _ask_for_tunnel(target: Target, proxy: Streams) -> None:
    proxy[1].write(http1.connect_request(target))
    response = await receive_response(proxy[0])
    if not 200 <= response.status_code < 300:
        raise RefusedError(502, f"the proxy answered {response.status_code}")


async def _look_up(host: str, port: int) -> list[AddrInfoType]:
    """Return a host's addresses in the order of the resolver, without repetitions."""
    loop = asyncio.get_running_loop()
    entries = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list({entry[4]: entry for entry in entries}.values())


async def _connect_to_any(entries: Iterable[AddrInfoType]) -> Streams:
    """Connect to the first address that accepts; IPv4 and IPv6 take turns (RFC 8305)."""
    connected = await start_connection(
        _first_of_each_family(entries), happy_eyeballs_delay=NEXT_ADDRESS_SECONDS
    )
    return await asyncio.open_connection(sock=connected, limit=http1.MAX_HEAD_BYTES)


def _first_of_each_family(entries: Iterable[AddrInfoType]) -> list[AddrInfoType]:
    families: dict[int, list[AddrInfoType]] = {}
    for entry in entries:
        families.setdefault(entry[0], []).append(entry)
    return [entry for family in families.values() for entry in family[:MAX_ADDRESSES_PER_FAMILY]]
