"""Which addresses may be connected to: public ones, in every form of an IPv4 address."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.egress.policy import (
    PUBLIC_ONLY,
    REFUSED,
    Range,
    parse_port,
    parse_range,
    refusal_error,
)
from download_worker.errors import Reason
from tests.support.attempts import policy

PUBLIC = ["1.1.1.1", "93.184.216.34", "223.255.255.254", "2606:4700:4700::1111", "2a00:1450::1"]
REFUSED_ADDRESSES = {
    "this network": "0.0.0.0",
    "private 10": "10.1.2.3",
    "carrier-grade NAT": "100.64.0.1",
    "Alibaba metadata": "100.100.100.200",
    "loopback": "127.0.0.1",
    "metadata": "169.254.169.254",
    "private 172": "172.31.255.255",
    "protocol assignments": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "6to4 relay": "192.88.99.1",
    "private 192": "192.168.0.1",
    "benchmarking": "198.19.255.255",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "Azure platform": "168.63.129.16",
    "unspecified 6": "::",
    "loopback 6": "::1",
    "mapped": "::ffff:10.0.0.1",
    "compatible": "::10.0.0.1",
    "compatible public": "::1.1.1.1",
    "NAT64": "64:ff9b::a00:1",
    "NAT64 local use": "64:ff9b:1::101:101",
    "discard only": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "benchmarking 6": "2001:2::1",
    "documentation 6": "2001:db8::1",
    "documentation 6 new": "3fff::1",
    "6to4": "2002:7f00:1::1",
    "ISATAP": "2606:4700::5efe:10.0.0.1",
    "ISATAP public bit": "2606:4700::200:5efe:192.168.0.1",
    "SRv6": "5f00::1",
    "unique local": "fd00:ec2::254",
    "link local": "fe80::1",
    "site local": "fec0::1",
    "multicast 6": "ff02::1",
    "zone": "fe80::1%eth0",
    "zone on a public one": "2606:4700::1%eth0",
}


def is_allowed(address: str, *ranges: str) -> bool:
    return policy(*ranges).refusal(address, 443) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES.values(), ids=REFUSED_ADDRESSES.keys())
def test_special_purpose_addresses_are_refused(address: str) -> None:
    assert not is_allowed(address)


REGISTRY = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    *("::/128", "::1/128", "::ffff:10.0.0.0/104", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
    *("2001::/23", "2001::/32", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28"),
    *("2001:20::/28", "2001:30::/28", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"),
    *("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2002:a00::/24", "::/96"),
]
"""IANA's special-purpose registries, multicast, and addresses of clouds' own services."""


@pytest.mark.parametrize("text", REGISTRY)
def test_registered_ranges_are_refused_from_end_to_end(text: str) -> None:
    network = ip_network(text)
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert not is_allowed(str(address)), address


@pytest.mark.parametrize(
    "address",
    [
        *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
        *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"),
        *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("168.63.129.15", "168.63.129.17", "2001:200::", "2001:db7:ffff::1", "2001:db9::"),
        *("2000::", "3ffe:ffff::1", "3fff:1000::", "2620:4f:8001::"),
    ],
)
def test_neighbours_of_registered_ranges_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.1.1", "0x7f000001", "1.1.1.1:80"])
def test_text_that_is_not_an_address_is_refused(text: str) -> None:
    assert not is_allowed(text)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_configured_range_opens_its_addresses_in_every_form(address: str) -> None:
    assert is_allowed(address, "10.1.0.0/16")
    assert not is_allowed(address, "10.2.0.0/16", "fd00::/8")


def test_configured_ipv6_range_opens_its_addresses() -> None:
    assert is_allowed("fd00::5", "fd00::/64")


@given(st.ip_addresses())
def test_allowed_address_is_global_to_the_standard_library(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_allowed(str(address)):
        assert address.is_global or "ffff" in address.exploded or "64:ff9b" in str(address)


@given(
    st.sampled_from(REFUSED).flatmap(lambda net: st.ip_addresses(network=net)),
    st.sampled_from(["::ffff:{0}", "64:ff9b::{0}", "::{0}", "2606:4700::5efe:{0}"]),
)
def test_refused_ipv4_address_stays_refused_in_every_form(address: object, form: str) -> None:
    assert not is_allowed(form.format(address))


@given(st.ip_addresses(v=4))
def test_6to4_mapped_and_nat64_forms_are_judged_as_the_address_inside(address: IPv4Address) -> None:
    number = int(address)
    wrapped = ip_address((0x2002 << 112) | number << 80 | 1)
    for form in (str(wrapped), f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_allowed(form) == is_allowed(str(address))


def nat64(prefix: str, length: int) -> Callable[[int], int]:
    """Return where RFC 6052 puts an IPv4 address behind a prefix of this length."""

    def embed(inner: int) -> int:
        number = int(ip_address(prefix))
        position = length // 8
        for byte in inner.to_bytes(4):
            position += position == 8  # bits 64 to 71 are always zero
            number |= byte << (120 - position * 8)
            position += 1
        return number

    return embed


FORMS: dict[str, Callable[[int], int]] = {
    "mapped": lambda inner: 0xFFFF << 32 | inner,
    "compatible": lambda inner: inner,
    "translated": lambda inner: 0xFFFF << 48 | inner,
    "6to4": lambda inner: 0x2002 << 112 | inner << 80 | 1,
    "ISATAP": lambda inner: int(ip_address("2606:4700::")) | 0x5EFE << 32 | inner,
    "ISATAP public": lambda inner: int(ip_address("2606:4700::")) | 0x02005EFE << 32 | inner,
    "Teredo server": lambda inner: 0x20010000 << 96 | inner << 64,
    "Teredo client": lambda inner: 0x20010000 << 96 | inner ^ 0xFFFFFFFF,
    "NAT64": nat64("64:ff9b::", 96),
    **{f"NAT64 local {length}": nat64("64:ff9b:1::", length) for length in (48, 56, 64, 96)},
}
"""Every way to write an IPv4 address as one of IPv6."""
NETWORKS = st.one_of(
    st.builds(
        lambda number, length: IPv4Network((number, length), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(1, 32),
    ),
    st.builds(
        lambda number, length: IPv6Network((number, length), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(1, 128),
    ),
)
EVERYTHING = ("0.0.0.0/0", "::/0")


@given(NETWORKS.flatmap(lambda net: st.tuples(st.just(net), st.ip_addresses(network=net))))
def test_address_in_a_denied_range_is_never_allowed(
    denied_and_inside: tuple[IPv4Network | IPv6Network, IPv4Address | IPv6Address],
) -> None:
    denied, inside = denied_and_inside
    for allowed in ((), EVERYTHING, (str(denied), f"{denied}:443")):
        verdict = policy(*allowed, denied=(str(denied),), ports=(443,))
        assert verdict.refusal(str(inside), 443) is Reason.ADDRESS_REFUSED


@given(
    NETWORKS.filter(lambda net: net.version == 4).flatmap(
        lambda net: st.tuples(st.just(net), st.ip_addresses(network=net))
    ),
    st.sampled_from(sorted(FORMS)),
)
def test_denied_ipv4_address_is_denied_in_every_form(
    denied_and_inside: tuple[IPv4Network, IPv4Address], form: str
) -> None:
    denied, inside = denied_and_inside
    spelling = str(IPv6Address(FORMS[form](int(inside))))
    for allowed in ((), EVERYTHING):
        verdict = policy(*allowed, denied=(str(denied),)).refusal(spelling, 443)
        assert verdict is Reason.ADDRESS_REFUSED, spelling


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_open_where_everything_is(form: str) -> None:
    """Without this, the test above would prove nothing."""
    spelling = str(IPv6Address(FORMS[form](int(ip_address("93.184.216.34")))))
    assert is_allowed(spelling, *EVERYTHING)


@pytest.mark.parametrize("address", ["93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_range_of_mapped_addresses_means_the_ipv4_range(address: str) -> None:
    denied = policy(denied=("::ffff:93.184.216.0/120",))
    assert denied.refusal(address, 443) is Reason.ADDRESS_REFUSED
    assert is_allowed("::ffff:10.0.0.1", "::ffff:10.0.0.0/104")
    assert is_allowed("10.0.0.1", "::ffff:10.0.0.0/104")


def test_denied_ipv6_range_leaves_ipv4_alone() -> None:
    denied = policy(denied=("::/0",))
    assert denied.refusal("93.184.216.34", 443) is None
    assert denied.refusal("2606:4700::1", 443) is Reason.ADDRESS_REFUSED


def test_denied_prefix_of_a_translator_can_leave_its_public_addresses_open() -> None:
    denied = policy(denied=("2a00:64::a00:0/104",))
    assert denied.refusal("2a00:64::a00:1", 443) is Reason.ADDRESS_REFUSED
    assert denied.refusal("2a00:64::5db8:d822", 443) is None


def test_range_denied_at_a_port_is_open_at_others() -> None:
    denied = policy("10.0.0.0/8", denied=("10.0.0.5/32:6443",))
    assert denied.refusal("10.0.0.5", 6443) is Reason.ADDRESS_REFUSED
    assert denied.refusal("::ffff:10.0.0.5", 6443) is Reason.ADDRESS_REFUSED
    assert denied.refusal("10.0.0.5", 8443) is None
    assert denied.refusal("10.0.0.6", 6443) is None


@pytest.mark.parametrize(
    ("port", "is_open"),
    [
        *((0, False), (1, False), (22, False), (25, False), (79, False), (80, True), (81, False)),
        *((442, False), (443, True), (444, False), (1023, False), (1024, True), (8443, True)),
        *((65535, True), (65536, False)),
    ],
)
def test_usual_ports_are_80_443_and_those_above_1023(port: int, is_open: bool) -> None:
    expected = None if is_open else Reason.PORT_REFUSED
    assert PUBLIC_ONLY.refusal("1.1.1.1", port) is expected
    assert policy("10.0.0.0/8").refusal("10.0.0.1", port) is expected
    assert PUBLIC_ONLY.has_port(port) == is_open
    assert PUBLIC_ONLY.refusal("10.0.0.1", port) is Reason.ADDRESS_REFUSED


def test_configured_port_is_open_at_every_address_that_is() -> None:
    opened = policy("10.0.0.0/8", ports=(81,))
    for address in ("1.1.1.1", "10.0.0.1", "::ffff:10.0.0.1"):
        assert opened.refusal(address, 81) is None
        assert opened.refusal(address, 82) is Reason.PORT_REFUSED
    assert opened.refusal("192.168.0.1", 81) is Reason.ADDRESS_REFUSED


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
def test_range_with_a_port_is_open_at_that_port_alone(address: str) -> None:
    opened = policy("10.0.0.0/8:443", "10.0.0.0/8:25")
    assert opened.refusal(address, 443) is None
    assert opened.refusal(address, 25) is None
    assert opened.refusal(address, 8080) is Reason.PORT_REFUSED
    assert opened.refusal("1.1.1.1", 8080) is None
    assert opened.refusal("1.1.1.1", 25) is Reason.PORT_REFUSED
    assert opened.has_port(25)
    assert not opened.has_port(26)


def test_range_of_public_addresses_with_a_port_leaves_their_usual_ports_open() -> None:
    opened = policy("93.184.216.0/24:81")
    assert [opened.refusal("93.184.216.34", port) for port in (80, 81, 8080)] == [None] * 3
    assert opened.refusal("93.184.217.34", 81) is Reason.PORT_REFUSED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0/8", Range(ip_network("10.0.0.0/8"))),
        ("10.0.0.0/8:443", Range(ip_network("10.0.0.0/8"), 443)),
        (" fd00::/8:1 ", Range(ip_network("fd00::/8"), 1)),
        ("fd00::/8", Range(ip_network("fd00::/8"))),
        ("10.0.0.1", Range(ip_network("10.0.0.1/32"))),
        ("fd00::1", Range(ip_network("fd00::1/128"))),
    ],
)
def test_range_is_read(text: str, expected: Range) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "/8", "10.0.0.0/:443", "10.0.0.1/8", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:-1"),
        *("10.0.0.0/8:65536", "10.0.0.0/8:a", "10.0.0.0/8:443:444", "10.0.0.0/8:\u0664"),
    ],
)
def test_text_that_is_not_a_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_range(text)


@pytest.mark.parametrize("text", ["", "0", "65536", "+1", "1.0", "http"])
def test_text_that_is_not_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a port from 1 to 65535"):
        parse_port(text)


def test_refusal_says_what_to_do_and_is_not_retried() -> None:
    port = refusal_error(Reason.PORT_REFUSED, "example.com", 25)
    assert "example.com cannot be reached at port 25" in str(port)
    assert "use port 80, 443 or one above 1023, or have" in str(port)
    address = refusal_error(Reason.ADDRESS_REFUSED, "example.com", 25)
    assert "example.com is not a public address that downloads may reach: have" in str(address)
    assert port.permanent
    assert address.permanent
