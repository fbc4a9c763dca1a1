"""What holds in each namespace, as labels and endpoints become known."""

from collections.abc import Collection
from typing import Any

import msgspec

from download_operator.cache.egress import MAX_ENDPOINTS, EgressCache
from download_operator.cache.namespaces import Namespace, decode_namespace
from download_operator.pod_egress import Allowance, EgressRules, Endpoint, PodEgress

SELECTED = Allowance.model_validate(
    {"cidr": "10.0.0.0/8", "namespaceSelector": {"matchLabels": {"team": "data"}}}
)
OPEN = ("10.0.0.0/8",)


class Cache:
    """A cache, and the changes that it has reported."""

    def __init__(self, **rules: Any) -> None:
        self.changes: list[Collection[str]] = []
        self.cache = EgressCache(EgressRules(**rules), self.changes.append)


def namespace(version: int, name: str = "a", **labels: str) -> Namespace:
    return Namespace(name, f"uid-{name}", version, labels)


def test_namespace_is_decoded() -> None:
    metadata = {"name": "a", "uid": "u", "resourceVersion": "7", "labels": {"team": "data"}}
    text = msgspec.json.encode({"kind": "Namespace", "metadata": metadata, "spec": {}})
    assert decode_namespace(msgspec.Raw(text)) == Namespace("a", "u", 7, {"team": "data"})


def test_label_opens_and_closes_a_range() -> None:
    tested = Cache(allow=(SELECTED,))
    assert tested.cache.find("a") == PodEgress()

    tested.cache.put_namespace(namespace(1, team="data"))
    assert tested.cache.find("a") == PodEgress(OPEN)
    tested.cache.put_namespace(namespace(2, team="other"))
    assert tested.cache.find("a") == PodEgress()

    assert tested.changes == [["a"], ["a"]]


def test_older_version_of_a_namespace_is_ignored() -> None:
    tested = Cache(allow=(SELECTED,))
    tested.cache.put_namespace(namespace(2, team="data"))
    tested.cache.put_namespace(namespace(1, team="other"))
    assert tested.cache.find("a") == PodEgress(OPEN)


def test_deleted_namespace_has_no_labels() -> None:
    tested = Cache(allow=(SELECTED,))
    tested.cache.put_namespace(namespace(1, team="data"))
    assert tested.cache.find("a") == PodEgress(OPEN)
    tested.cache.remove_namespace(namespace(2, team="data"))
    assert tested.cache.find("a") == PodEgress()
    assert tested.changes == [["a"]]


def test_label_that_no_rule_asks_for_is_neither_stored_nor_reported() -> None:
    tested = Cache(allow=(SELECTED,))
    tested.cache.find("a")
    tested.cache.put_namespace(namespace(1, other="x" * 1000))
    assert tested.changes == []
    (stored,) = tested.cache.namespaces()
    assert stored.labels == {}


def test_namespace_that_nobody_asked_about_is_not_reported() -> None:
    tested = Cache(allow=(SELECTED,))
    tested.cache.put_namespace(namespace(1, team="data"))
    assert tested.changes == []


def test_former_endpoints_go_once_there_are_too_many() -> None:
    tested = Cache(allow_cidrs=OPEN)
    numbers = range(MAX_ENDPOINTS)
    tested.cache.add_api_server([Endpoint("10.0.0.5", number) for number in numbers])
    assert len(tested.cache.find("a").deny_cidrs) == MAX_ENDPOINTS
    tested.cache.add_api_server([Endpoint("10.0.0.6", 6443)])
    assert tested.cache.find("a").deny_cidrs == ("10.0.0.6/32:6443",)


def test_endpoints_are_added_and_former_ones_stay() -> None:
    tested = Cache(allow_cidrs=OPEN)
    tested.cache.find("a")
    first, second = Endpoint("10.0.0.5", 6443), Endpoint("10.0.0.6", 6443)

    for endpoints in ([first], [first], [second], [], [first, second]):
        tested.cache.add_api_server(endpoints)

    assert tested.cache.find("a").deny_cidrs == ("10.0.0.5/32:6443", "10.0.0.6/32:6443")
    assert tested.changes == [["a"], ["a"]]


def test_endpoints_change_nothing_where_nothing_is_allowed() -> None:
    tested = Cache(allow=(Allowance(cidr="10.0.0.0/8", namespaces=("b",)),))
    for name in ("a", "b"):
        tested.cache.find(name)
    tested.cache.add_api_server([Endpoint("10.0.0.5", 6443)])
    assert tested.changes == [["b"]]
