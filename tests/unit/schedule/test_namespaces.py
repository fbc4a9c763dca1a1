"""Which namespaces are served."""

import pytest
from hypothesis import given
from hypothesis.strategies import from_regex, lists

from download_schedule.names import NAMESPACE
from download_schedule.namespaces import ServedNamespaces

NAMES = from_regex(NAMESPACE.replace("$", r"\Z"))
DEFAULT = ServedNamespaces(release="place")


@pytest.mark.parametrize("namespace", ["team", "default", "kube", "kubeflow", "places"])
def test_namespaces_of_tenants_are_served(namespace: str) -> None:
    assert DEFAULT.refusal(namespace) == ""


@pytest.mark.parametrize(
    ("namespace", "owner"),
    [
        ("kube-system", "Kubernetes"),
        ("kube-public", "Kubernetes"),
        ("kube-anything", "Kubernetes"),
        ("place", "download-operator"),
    ],
)
def test_schedules_in_system_namespaces_are_refused(namespace: str, owner: str) -> None:
    assert DEFAULT.refusal(namespace) == (
        f"schedules in the namespace {namespace} of {owner} itself are refused; use another "
        "namespace, or have an administrator add it to operator.systemNamespaces of the chart"
    )


@given(NAMES, NAMES)
def test_system_namespace_is_served_if_it_is_allowed_or_listed(name: str, other: str) -> None:
    assert ServedNamespaces(release=name, allowed=(other, name)).refusal(name) == ""
    assert ServedNamespaces(release=name, listed=(other, name)).refusal(name) == ""


@given(lists(NAMES, min_size=1), NAMES)
def test_list_of_namespaces_is_all_that_is_served(listed: list[str], name: str) -> None:
    served = ServedNamespaces(tuple(listed), release="place", allowed=("place",))
    refusal = served.refusal(name)
    assert (refusal == "") == (name in listed)
    assert name in listed or f"use one that is, such as {listed[0]}, or" in refusal
