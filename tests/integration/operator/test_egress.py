"""Where downloads may connect to, as their CronJobs say it, on a real API server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.callers import kubeconfig_of
from tests.support.chart import rendered
from tests.support.operator_process import Operator, StartOperator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

RANGE = "10.0.0.0/8"
PREFIX = "DOWNLOAD_WORKER_"
ENDPOINT_SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes"},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.0.0.5"]}],
    "ports": [{"name": "https", "port": 6443}],
}


def egress(kubectl: Kubectl, name: str = "report") -> dict[str, str] | None:
    """Return the variables of a schedule's CronJob that say where it may connect to."""
    cron_job = kubectl.get("cronjob", name)
    if cron_job is None:
        return None
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return {
        variable["name"].removeprefix(PREFIX): variable["value"]
        for variable in container["env"]
        if variable["name"].startswith(PREFIX)
    }


def wait_for_egress(kubectl: Kubectl, **expected: str) -> None:
    wait_for(f"{kubectl.namespace} to get {expected}", lambda: egress(kubectl) == expected)


def version(kubectl: Kubectl) -> str:
    return str(kubectl.get("cronjob", "report")["metadata"]["resourceVersion"])


@pytest.fixture
def other(kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a second namespace."""
    name = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", name)
    yield kubectl.within(name)
    kubectl.within(name)("delete", "dls", "--all")
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def denied(kubectl: Kubectl, cluster: LocalCluster) -> Iterator[str]:
    """The API server's endpoint in the words of the worker.

    An API server at an address of the loopback keeps no EndpointSlice.
    """
    default = kubectl.within("default")
    if not cluster.layout.isolated:
        default.apply(ENDPOINT_SLICE)
    stored = wait_for("the endpoints", lambda: default.get("endpointslice", "kubernetes"))
    (endpoint,), (port,) = stored["endpoints"], stored["ports"]
    yield f"{endpoint['addresses'][0]}/32:{port['port']}"
    if not cluster.layout.isolated:
        default("delete", "endpointslice", "kubernetes")


def test_allowance_reaches_only_the_namespaces_that_it_names(
    kubectl: Kubectl, other: Kubectl, denied: str, start_operator: StartOperator
) -> None:
    allow = {"cidr": RANGE, "namespaces": [kubectl.namespace], "ports": [443, 8443]}
    start_operator(allow=json.dumps([allow]), deny_cidrs="11.0.0.0/8", allow_ports="81,82")
    for namespace in (kubectl, other):
        namespace.apply(schedule("report"))

    wait_for_egress(
        kubectl,
        ALLOW_CIDRS=f"{RANGE}:443,{RANGE}:8443",
        DENY_CIDRS=f"11.0.0.0/8,{denied}",
        ALLOW_PORTS="81,82",
    )
    wait_for_egress(other, DENY_CIDRS="11.0.0.0/8", ALLOW_PORTS="81,82")


def test_label_of_a_namespace_opens_and_closes_a_range(
    kubectl: Kubectl, other: Kubectl, denied: str, start_operator: StartOperator
) -> None:
    selector = {"matchLabels": {"downloads": "internal"}}
    operator = start_operator(allow=json.dumps([{"cidr": RANGE, "namespaceSelector": selector}]))
    for namespace in (kubectl, other):
        namespace.apply(schedule("report"))
        wait_for_egress(namespace)
    before = version(other)

    kubectl("label", "namespace", kubectl.namespace, "downloads=internal")
    wait_for_egress(kubectl, ALLOW_CIDRS=RANGE, DENY_CIDRS=denied)
    kubectl("label", "namespace", kubectl.namespace, "downloads=public", "--overwrite")
    wait_for_egress(kubectl)

    assert version(other) == before
    assert operator.get("/healthz").status_code == 200
    assert 'path="/api/v1/namespaces"' in operator.get("/metrics").text


def test_label_is_known_before_the_first_cron_job_is_written(
    kubectl: Kubectl, denied: str, start_operator: StartOperator
) -> None:
    """Otherwise every restart would write each CronJob twice."""
    kubectl("label", "namespace", kubectl.namespace, "downloads=internal")
    selector = {"matchExpressions": [{"key": "downloads", "operator": "Exists"}]}
    operator = start_operator(allow=json.dumps([{"cidr": RANGE, "namespaceSelector": selector}]))
    kubectl.apply(schedule("report"))
    wait_for_egress(kubectl, ALLOW_CIDRS=RANGE, DENY_CIDRS=denied)
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")
    before = version(kubectl)

    operator.stop()
    operator.start_again()
    kubectl.apply(schedule("second"))
    kubectl("wait", "--for=condition=Ready", "dls/second", "--timeout=20s")

    assert version(kubectl) == before
    assert kubectl.get("cronjob", "report")["metadata"]["generation"] == 1


def test_api_server_is_denied_where_something_is_allowed(
    kubectl: Kubectl, other: Kubectl, denied: str, start_operator: StartOperator
) -> None:
    allow = {"cidr": RANGE, "namespaces": [kubectl.namespace]}
    start_operator(allow=json.dumps([allow]))
    for namespace in (kubectl, other):
        namespace.apply(schedule("report"))

    wait_for_egress(kubectl, ALLOW_CIDRS=RANGE, DENY_CIDRS=denied)
    wait_for_egress(other)


def chart_rights(kubectl: Kubectl, *values: str) -> list[dict[str, Any]]:
    """Apply the operator's account and rights as the chart has them; return the objects."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    objects = [
        item
        for item in rendered(*values, namespace=kubectl.namespace)
        if item["kind"] in kinds and "api" not in item["metadata"]["name"].split("-")
    ]
    for item in objects:
        namespace = item["metadata"].get("namespace", kubectl.namespace)
        kubectl.within(namespace).apply(item)
    return objects


def remove_cluster_wide(kubectl: Kubectl, objects: list[dict[str, Any]]) -> None:
    for item in objects:
        kind, metadata = item["kind"], item["metadata"]
        if metadata.get("namespace", "default") == "default":
            kubectl.within("default")("delete", kind, metadata["name"], "--ignore-not-found")


def test_rights_of_the_chart_are_enough(
    kubectl: Kubectl, cluster: LocalCluster, denied: str, tmp_path: Path
) -> None:
    """Also in an installation that serves, and has rights in, one namespace."""
    values = (
        f"operator.namespaces={{{kubectl.namespace}}}",
        f"operator.allow[0].cidr={RANGE}",
        "operator.allow[0].namespaceSelector.matchLabels.downloads=internal",
    )
    objects = chart_rights(kubectl, *values)
    kubectl("label", "namespace", kubectl.namespace, "downloads=internal")
    kubeconfig = kubeconfig_of(kubectl, "download-operator", tmp_path)
    selector = {"matchLabels": {"downloads": "internal"}}
    operator = Operator(
        kubeconfig,
        tmp_path / "log",
        namespaces=kubectl.namespace,
        lease_namespace=kubectl.namespace,
        allow=json.dumps([{"cidr": RANGE, "namespaceSelector": selector}]),
    )
    try:
        kubectl.apply(schedule("report"))
        wait_for_egress(kubectl, ALLOW_CIDRS=RANGE, DENY_CIDRS=denied)
        assert not operator.has_logged("forbidden")
    finally:
        assert operator.stop() == 0
        remove_cluster_wide(kubectl, objects)


def test_operator_without_the_right_to_the_endpoints_works_and_says_so(
    kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path
) -> None:
    objects = chart_rights(kubectl)
    in_default = {"role/download-operator-egress", "rolebinding/download-operator-egress"}
    kubectl.within("default")("delete", *in_default)
    home = kubectl.namespace
    kubeconfig = kubeconfig_of(kubectl, "download-operator", tmp_path)
    operator = Operator(kubeconfig, tmp_path / "log", lease_namespace=home, allow_cidrs=RANGE)
    try:
        kubectl.apply(schedule("report"))
        wait_for_egress(kubectl, ALLOW_CIDRS=RANGE)
        assert operator.has_logged("cannot read the API server's endpoints, trying again in 600 s")
    finally:
        assert operator.stop() == 0
        remove_cluster_wide(kubectl, objects)
