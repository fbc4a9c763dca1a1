"""Which addresses a download may connect to.

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
from typing import Final

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

_IPV4_IN_IPV6: Final = tuple(ip_network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96"))
"""IPv4-mapped and NAT64 (RFC 4291, RFC 6052): allowed if the IPv4 address at the end is."""
_6TO4: Final = ip_network("2002::/16")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


def is_allowed(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Return whether a download may connect to *address*.

    Args:
        address: IPv4 or IPv6 in numbers, as the socket has it. An address with a zone (``%eth0``)
            counts as local.
        allowed: ranges that the operator's configuration opens beyond public addresses.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    ranges = tuple(allowed)
    if _is_in(parsed, ranges):
        return True
    if not _is_public(parsed) and not _is_in(parsed, _IPV4_IN_IPV6):
        return False
    return all(_is_in(inner, ranges) or _is_public(inner) for inner in _embedded(parsed))


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
    if _is_in(address, _IPV4_IN_IPV6) or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
