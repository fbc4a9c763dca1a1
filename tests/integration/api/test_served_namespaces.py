"""An API that serves a list of namespaces, with the rights that the chart gives it there alone."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.api_process import KEY, api_servers
from tests.support.api_schedules import REPORT
from tests.support.callers import API_ACCOUNT, install_account, kubeconfig_of
from tests.support.schedules import schedule
from tools.cluster import LocalCluster, binaries
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.ports import free_ports

HOME, OTHER = "unserved-home", "unserved-other"
SERVED = ["served", "served-too"]
"""In the order of the API server: it sorts by namespace, slash and name."""
SORTED = [SERVED[1], SERVED[0]]


@pytest.fixture(scope="module")
def everywhere(cluster: LocalCluster) -> Iterator[Kubectl]:
    kubectl = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    for namespace in (HOME, OTHER, *SERVED):
        kubectl("create", "namespace", namespace)
    for namespace in (OTHER, *SERVED):
        kubectl.within(namespace).apply(schedule("a"), schedule("b"))
    install_account(kubectl.within(HOME), f"operator.namespaces={{{','.join(SERVED)}}}")
    yield kubectl
    for namespace in (OTHER, SERVED[0]):
        kubectl.within(namespace)("delete", "dls", "--all")


@pytest.fixture(scope="module")
def probes() -> int:
    """The port of the API's probes."""
    (port,) = free_ports(1)
    return port


@pytest.fixture(scope="module")
def api(
    everywhere: Kubectl, tmp_path_factory: pytest.TempPathFactory, probes: int
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("api")
    kubeconfig = kubeconfig_of(everywhere.within(HOME), API_ACCOUNT, folder)
    with api_servers(kubeconfig, folder) as start:
        yield start(
            key=KEY,
            namespaces=",".join(SERVED),
            namespace=SERVED[0],
            metrics_port=str(probes),
        )


def listed(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["schedules"]]


ALL = [f"{namespace}.{name}" for namespace in SORTED for name in "ab"]


def test_list_has_the_schedules_of_all_served_namespaces(api: httpx.Client) -> None:
    response = api.get("/schedules")
    assert listed(response) == ALL
    assert response.json()["total"] == len(ALL)


@pytest.mark.parametrize("query", ["limit=3", f"limit=1&namespace={SERVED[0]}"])
def test_pages_lead_through_all_schedules(api: httpx.Client, query: str) -> None:
    url, ids = f"/schedules?{query}", []
    while url:
        response = api.get(url)
        ids += listed(response)
        url = response.links.get("next", {}).get("url", "")
    assert ids == (ALL if "namespace" not in query else [i for i in ALL if f"{SERVED[0]}." in i])


def test_schedules_of_other_namespaces_do_not_exist(api: httpx.Client) -> None:
    assert listed(api.get("/schedules", params={"namespace": OTHER})) == []
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/run"),
        ("GET", "/history"),
    ):
        response = api.request(method, f"/schedules/{OTHER}.a{path}", json={})
        assert response.status_code == 404
        assert response.json()["detail"]["error_type"] == "schedule_not_found"


def test_schedule_is_created_in_a_served_namespace_alone(api: httpx.Client) -> None:
    refused = api.post("/schedules", json={**REPORT, "namespace": OTHER})
    assert refused.status_code == 422
    assert refused.json()["detail"]["error"] == (
        f"namespace: the namespace {OTHER} is not served; use one that is, such as {SERVED[0]}, or "
        "have an administrator add it to the namespaces of the chart"
    )
    created = api.post("/schedules", json=REPORT)
    assert created.status_code == 201
    assert created.json()["id"].startswith(f"{SERVED[0]}.")
    assert api.delete(created.headers["Location"]).status_code == 200


def test_events_are_those_of_one_served_namespace(api: httpx.Client) -> None:
    for query, sentence in (
        ({}, f"namespace: a stream follows one namespace; write for example {SORTED[0]}"),
        ({"namespace": OTHER}, f"namespace: the namespace {OTHER} is not served; use one"),
    ):
        refused = api.get("/events", params=query)
        assert refused.status_code == 422
        assert sentence in refused.json()["detail"]["error"]
    with api.stream("GET", "/events", params={"namespace": SERVED[0]}) as response:
        assert response.status_code == 200


def test_deleted_namespace_does_not_hide_the_others(
    api: httpx.Client, everywhere: Kubectl, probes: int
) -> None:
    gone, left = SORTED
    everywhere.within(gone)("delete", "dls", "--all")
    everywhere("delete", "namespace", gone)
    wait_for(
        "the end of the rights there",
        lambda: api.get("/schedules", params={"namespace": gone}).status_code == 403,
    )
    assert listed(api.get("/schedules")) == [f"{left}.a", f"{left}.b"]
    assert httpx.get(f"http://127.0.0.1:{probes}/readyz").status_code == 200
