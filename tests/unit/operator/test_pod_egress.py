"""Where downloads may connect to, by namespace."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from download_operator.pod_egress import (
    Allowance,
    EgressRules,
    Endpoint,
    LabelSelector,
    PodEgress,
)
from download_worker.egress.policy import parse_range
from download_worker.errors import Reason
from tests.support.attempts import policy

API_SERVER = (Endpoint("10.96.0.1"), Endpoint("10.0.0.5", 6443), Endpoint("fd00::5", 6443))


def allowance(**members: Any) -> Allowance:
    return Allowance.model_validate({"cidr": "10.0.0.0/8", **members})


def ranges(*allowances: Allowance, namespace: str = "team", **labels: str) -> tuple[str, ...]:
    return EgressRules(allow=allowances).for_namespace(namespace, labels).allow_cidrs


def test_allowance_without_namespaces_is_for_all() -> None:
    assert ranges(allowance()) == ("10.0.0.0/8",)


def test_allowance_is_for_the_namespaces_that_it_names() -> None:
    one = allowance(namespaces=["a", "b"])
    assert ranges(one, namespace="b") == ("10.0.0.0/8",)
    assert ranges(one, namespace="c") == ()


def test_ports_are_written_one_by_one() -> None:
    assert ranges(allowance(ports=[443, 8443])) == ("10.0.0.0/8:443", "10.0.0.0/8:8443")
    assert ranges(allowance(cidr="10.0.0.1", ports=[1])) == ("10.0.0.1/32:1",)
    assert ranges(allowance(cidr="fd00::1", ports=[65535])) == ("fd00::1/128:65535",)


def test_short_form_is_for_all_namespaces_and_comes_first() -> None:
    rules = EgressRules(("192.168.0.0/16",), (allowance(namespaces=["a"]),), ("11.0.0.0/8",), (81,))
    assert rules.for_namespace("a", {}) == PodEgress(
        ("192.168.0.0/16", "10.0.0.0/8"), ("11.0.0.0/8",), (81,)
    )
    assert rules.for_namespace("b", {}) == PodEgress(("192.168.0.0/16",), ("11.0.0.0/8",), (81,))


@pytest.mark.parametrize(
    ("selector", "labels", "is_selected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"team": "data"}}, {"team": "data", "x": "y"}, True),
        ({"matchLabels": {"team": "data"}}, {"team": "other"}, False),
        ({"matchLabels": {"team": "data"}}, {}, False),
        ({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False),
        ({"matchLabels": {"a": ""}}, {}, False),
        (("team", "In", ["a", "b"]), {"team": "b"}, True),
        (("team", "In", ["a", "b"]), {}, False),
        (("team", "NotIn", ["a"]), {"team": "a"}, False),
        (("team", "NotIn", ["a"]), {}, True),
        (("team", "Exists", []), {"team": ""}, True),
        (("team", "Exists", []), {}, False),
        (("team", "DoesNotExist", []), {}, True),
        (("team", "DoesNotExist", []), {"team": ""}, False),
    ],
)
def test_selector_reads_labels_as_kubernetes_does(
    selector: Any, labels: dict[str, str], is_selected: bool
) -> None:
    if isinstance(selector, tuple):
        names = ("key", "operator", "values")
        selector = {"matchExpressions": [dict(zip(names, selector, strict=True))]}
    assert LabelSelector.model_validate(selector).matches(labels) == is_selected
    assert bool(ranges(allowance(namespaceSelector=selector), **labels)) == is_selected


def test_labels_that_rules_ask_for_are_named() -> None:
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}
    rules = EgressRules(allow=(allowance(), allowance(namespaceSelector=selector)))
    assert rules.label_names == {"a", "b"}
    assert EgressRules(("10.0.0.0/8",), (allowance(namespaces=["a"]),)).label_names == set()


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"cidr": "10.0.0.1/8"}, "has '10.0.0.1/8' .*host bits"),
        ({"cidr": "10.0.0.0/8:443"}, "has '10.0.0.0/8:443'"),
        ({"namespaces": []}, "namespaces is empty; name one, or leave it out to mean all"),
        ({"namespaces": ["team-*"]}, "not the name of a namespace"),
        ({"namespaces": ["a\n"]}, "not the name of a namespace"),
        ({"namespaces": ["a"], "namespaceSelector": {}}, "write two entries"),
        ({"namespaceSelector": {"matchNames": ["a"]}}, "Extra inputs"),
        ({"ports": []}, "ports is empty"),
        ({"ports": [0]}, "greater than or equal to 1"),
        ({"ports": [65536]}, "less than or equal to 65535"),
        ({"ports": [True]}, "valid integer"),
        ({"ports": ["443"]}, "valid integer"),
        ({"port": 443}, "Extra inputs"),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "In and NotIn need values",
        ),
    ],
)
def test_allowance_that_could_be_misread_is_refused(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        allowance(**members)


def test_api_server_is_denied_where_something_is_allowed() -> None:
    rules = EgressRules(allow=(allowance(namespaces=["a"]),), deny_cidrs=("11.0.0.0/8",))
    assert rules.for_namespace("a", {}, API_SERVER).deny_cidrs == (
        "11.0.0.0/8",
        "10.0.0.5/32:6443",
        "10.96.0.1/32",
        "fd00::5/128:6443",
    )
    assert rules.for_namespace("b", {}, API_SERVER).deny_cidrs == ("11.0.0.0/8",)
    in_any_order = [rules.for_namespace("a", {}, API_SERVER[::step]) for step in (1, -1)]
    assert in_any_order[0] == in_any_order[1]


def test_public_api_server_is_denied_everywhere() -> None:
    public = (Endpoint("93.184.216.34", 443), Endpoint("2606:4700::1", 443))
    assert EgressRules().for_namespace("a", {}, public).deny_cidrs == (
        "2606:4700::1/128:443",
        "93.184.216.34/32:443",
    )


@given(
    st.ip_addresses(),
    st.integers(1, 65535),
    st.lists(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "64:ff9b::/96"])),
)
def test_worker_never_connects_to_the_api_server(
    address: IPv4Address | IPv6Address, port: int, opened: list[str]
) -> None:
    rules = EgressRules(tuple(opened), allow_ports=(port,))
    egress = rules.for_namespace("a", {}, [Endpoint(str(address), port)])
    worker = policy(*egress.allow_cidrs, denied=egress.deny_cidrs, ports=egress.allow_ports)
    assert worker.refusal(str(address), port) is Reason.ADDRESS_REFUSED


@given(
    st.sampled_from(["10.0.0.0/8", "fd00::/8", "10.0.0.1", "fd00::1"]),
    st.none() | st.lists(st.integers(1, 65535), min_size=1, max_size=4),
)
def test_worker_reads_what_the_operator_writes(cidr: str, ports: list[int] | None) -> None:
    read = [parse_range(text) for text in ranges(allowance(cidr=cidr, ports=ports))]
    assert {item.network for item in read} == {ip_network(cidr)}
    assert [item.port for item in read] == (list(ports) if ports else [None])
