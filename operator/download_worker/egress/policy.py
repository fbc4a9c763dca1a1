"""Which addresses and ports a download may connect to.

The policy judges the address of the socket that is about to be opened, never a name. No redirect
and no name server that changes its answer can get around it.
"""

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, NamedTuple

from download_worker.errors import DownloadError, Reason

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; some clouds' metadata service
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; most clouds' metadata service
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "168.63.129.16/32",  # Azure's platform service, a public address
    )
)
"""IANA's special-purpose IPv4 addresses, and those of clouds' own services."""

GLOBAL_IPV6: Final = ip_network("2000::/3")
"""The range from which IANA allocates global unicast addresses; all others are refused."""
REFUSED_IPV6: Final = tuple(
    ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
"""Special-purpose ranges within it: protocol assignments such as Teredo, documentation, AS112."""

WEB_PORTS: Final = frozenset({80, 443})
LAST_SYSTEM_PORT: Final = 1023
"""Ports up to here are those of mail, shells and databases (RFC 6335): few of them are the web."""
LAST_PORT: Final = 65535

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_IPV4_IN_IPV6: Final = (_MAPPED, ip_network("64:ff9b::/96"))
"""IPv4-mapped and NAT64 (RFC 4291, RFC 6052): allowed if the IPv4 address at the end is."""
_IPV4_AT_THE_END: Final = (*_IPV4_IN_IPV6, ip_network("::/96"), ip_network("::ffff:0:0:0/96"))
"""These, IPv4-compatible and IPv4-translated (RFC 4291, RFC 2765)."""
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_6TO4: Final = ip_network("2002::/16")
_TEREDO: Final = ip_network("2001::/32")
_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
_LOCAL_NAT64_BYTES: Final = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
"""Where the IPv4 address may be: after 48, 56, 64 or 96 bits (RFC 8215; RFC 6052, 2.2)."""


class Range(NamedTuple):
    """An address range, at one port or without a word about ports."""

    network: Network
    port: int | None = None


class EgressPolicy(NamedTuple):
    """Where connections may lead. Without any ranges and ports: to public addresses alone."""

    allowed: tuple[Range, ...] = ()
    """Open beyond public addresses. A range without a port is open at the usual ports."""
    denied: tuple[Range, ...] = ()
    """Closed, whatever else is open. A range without a port is closed at all of them."""
    ports: frozenset[int] = frozenset()
    """Usual ports beside 80, 443 and those above 1023."""

    def refusal(self, address: str, port: int) -> Reason | None:
        """Return why a download may not connect to *address*; None if it may.

        Args:
            address: IPv4 or IPv6 in numbers, as the socket has it. An address with a zone
                (``%eth0``) counts as local.
            port: as the socket has it.
        """
        try:
            parsed = ip_address(address)
        except ValueError:
            return Reason.ADDRESS_REFUSED
        closed = [net for net, at in self.denied if at in (None, port)]
        if any(_is_in(form, closed) for form in (parsed, *_embedded(parsed))):
            return Reason.ADDRESS_REFUSED
        is_usual = self._is_usual(port)
        opened = [net for net, at in self.allowed if at == port or (at is None and is_usual)]
        if _is_open(parsed, opened, is_public_open=is_usual):
            return None
        at_any_port = [net for net, _ in self.allowed]
        is_port_refused = _is_open(parsed, at_any_port, is_public_open=True)
        return Reason.PORT_REFUSED if is_port_refused else Reason.ADDRESS_REFUSED

    def has_port(self, port: int) -> bool:
        """Return whether there may be an address that a download may connect to at *port*."""
        return self._is_usual(port) or any(at == port for _, at in self.allowed)

    def _is_usual(self, port: int) -> bool:
        return LAST_SYSTEM_PORT < port <= LAST_PORT or port in WEB_PORTS or port in self.ports


PUBLIC_ONLY: Final = EgressPolicy()


def parse_range(text: str) -> Range:
    """Read a range such as ``10.0.0.0/8`` or, at one port, ``10.0.0.0/8:443``.

    Raises:
        ValueError: it is not a range.
    """
    address, slash, rest = text.strip().partition("/")
    length, colon, port = rest.partition(":")
    network = ip_network(address + slash + length)
    return Range(_without_mapping(network), parse_port(port) if colon else None)


def parse_port(text: str) -> int:
    """Read a port.

    Raises:
        ValueError: it is not a number from 1 to 65535.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT):
        raise ValueError(f"{text!r} is not a port from 1 to {LAST_PORT}")
    return int(text)


def refusal_error(reason: Reason, host: str, port: int) -> DownloadError:
    """Return the error for a refused connection, with advice.

    The address is not in it: its reader must not learn what is inside. For the same reason, private
    and denied addresses get the same sentence.
    """
    if reason is Reason.PORT_REFUSED:
        sentence = (
            f"{host} cannot be reached at port {port}, which is not open to downloads: use port "
            f"80, 443 or one above {LAST_SYSTEM_PORT}, or have the operator's configuration open "
            f"port {port}."
        )
    else:
        sentence = (
            f"{host} is not a public address that downloads may reach: have the operator's "
            "configuration allow its range."
        )
    return DownloadError(reason, sentence)


def _without_mapping(network: Network) -> Network:
    """Return the IPv4 range that an IPv6 range of mapped addresses means, or the range itself."""
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network[0]) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))


def _is_open(address: Address, ranges: Iterable[Network], *, is_public_open: bool) -> bool:
    ranges = tuple(ranges)
    if _is_in(address, ranges):
        return True
    if not _is_public(address) and not _is_in(address, _IPV4_IN_IPV6):
        return False
    destinations = tuple(_embedded(address)) or (address,)
    return all(_is_in(d, ranges) or (is_public_open and _is_public(d)) for d in destinations)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _is_in(address, REFUSED)
    return address.scope_id is None and address in GLOBAL_IPV6 and not _is_in(address, REFUSED_IPV6)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which packets for an IPv6 address may be forwarded."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if _is_in(address, _IPV4_AT_THE_END) or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:  # its server, and its client with all bits inverted (RFC 4380)
        yield IPv4Address(number >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~number & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:
        for positions in _LOCAL_NAT64_BYTES:
            yield IPv4Address(bytes(address.packed[position] for position in positions))
