"""Which addresses may be connected to: public ones, in every form of an IPv4 address."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.egress.policy import REFUSED, is_allowed

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
    assert is_allowed(address, [ip_network("10.1.0.0/16")])
    assert not is_allowed(address, [ip_network("10.2.0.0/16"), ip_network("fd00::/8")])


def test_configured_ipv6_range_opens_its_addresses() -> None:
    assert is_allowed("fd00::5", [ip_network("fd00::/64")])


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
