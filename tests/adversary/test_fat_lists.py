"""Fat schedules and Pods of one tenant do not keep others from the HTTP API, nor end it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.api_process import KEY, api_servers, pid_of
from tests.support.chart import memory_limit_of
from tests.support.fat_objects import create, delete, fat, peak_memory
from tests.support.memory_limit import memory_limit
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.ports import free_ports

MEMORY_LIMIT_MIB: Final = memory_limit_of("api")
COPIES: Final = 60

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def probes() -> int:
    """The port of the API's probes."""
    (port,) = free_ports(1)
    return port


@pytest.fixture
def api(
    cluster: LocalCluster, tmp_path: Path, kubectl: Kubectl, probes: int
) -> Iterator[httpx.Client]:
    """A client of an API that serves one namespace, with the chart's limit of memory in force."""
    namespace = kubectl.namespace
    with (
        memory_limit(MEMORY_LIMIT_MIB) as limit,
        api_servers(cluster.kubeconfig, tmp_path, limit) as start,
    ):
        client = start(
            auth="key",
            key=KEY,
            namespace=namespace,
            namespaces=namespace,
            metrics_port=str(probes),
        )
        client.timeout = httpx.Timeout(120)
        yield client
        assert not limit.kills


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["resource"] for item in response.json()["schedules"]]


@pytest.fixture
def fat_schedules(kubectl: Kubectl) -> Iterator[Callable[[], list[str]]]:
    """What creates fat schedules and a usual one, and returns their names."""
    manifests = [fat("DownloadSchedule", "escapes", f"fat-{n:02d}") for n in range(COPIES)]

    def create_all() -> list[str]:
        kubectl.apply(schedule("report"))
        create(kubectl.kubeconfig, kubectl.namespace, manifests)
        return [*(manifest["metadata"]["name"] for manifest in manifests), "report"]

    yield create_all
    delete(kubectl.kubeconfig, kubectl.namespace, manifests)


def test_list_of_fat_schedules_is_complete_and_fits_into_the_memory_limit(
    kubectl: Kubectl, api: httpx.Client, fat_schedules: Callable[[], list[str]]
) -> None:
    expected = fat_schedules()
    parameters = {"namespace": kubectl.namespace}

    results: list[Any] = []
    callers = [
        threading.Thread(target=lambda: results.append(api.get("/schedules", params=parameters)))
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    listed = [names(response) for response in results]
    by_pages: list[str] = []
    url = f"/schedules?limit=50&namespace={kubectl.namespace}"
    while url:
        response = api.get(url)
        by_pages += names(response)
        url = response.links.get("next", {}).get("url", "")

    assert listed == [expected] * 4
    assert by_pages == expected
    peak = peak_memory(pid_of(api))
    print(f"lists: {peak} MiB")
    assert peak < MEMORY_LIMIT_MIB


def test_events_of_fat_schedules_reach_the_caller_in_bounded_memory(
    kubectl: Kubectl, api: httpx.Client, fat_schedules: Callable[[], list[str]]
) -> None:
    parameters = {"namespace": kubectl.namespace}
    seen: list[str] = []
    with api.stream("GET", "/events", params=parameters) as stream:
        reader = threading.Thread(target=lambda: seen.extend(read_names(stream)))
        reader.start()
        fat_schedules()
        reader.join(timeout=120)

    assert "report" in seen
    assert peak_memory(pid_of(api)) < MEMORY_LIMIT_MIB


def read_names(stream: httpx.Response) -> Iterator[str]:
    """Yield the resources of created schedules until all have come."""
    for line in stream.iter_lines():
        if line.startswith("data: {") and '"resource":"' in line:
            name = line.split('"resource":"')[1].split('"')[0]
            yield name
            if name == f"fat-{COPIES - 1:02d}":
                return


def test_first_schedules_do_not_keep_others_from_the_api(
    kubectl: Kubectl, api: httpx.Client, probes: int
) -> None:
    """By the first one, the API could learn whether the cluster responds, and its version."""
    flavours = ("nested", "fields", "owner", "owners")
    manifests = [fat("DownloadSchedule", name, f"a{n}") for n, name in enumerate(flavours)]
    create(kubectl.kubeconfig, kubectl.namespace, manifests)
    kubectl.apply(schedule("report"))

    assert httpx.get(f"http://127.0.0.1:{probes}/readyz").status_code == 200
    with api.stream("GET", "/events", params={"namespace": kubectl.namespace}) as stream:
        assert stream.status_code == 200
        kubectl("annotate", "dls/report", "note=x")
        assert any('"resource":"report"' in line for line in stream.iter_lines())
    assert "report" in names(api.get("/schedules"))
    assert peak_memory(pid_of(api)) < MEMORY_LIMIT_MIB
    delete(kubectl.kubeconfig, kubectl.namespace, manifests)


def test_log_is_that_of_the_run_though_fat_pods_have_its_labels(
    kubectl: Kubectl, api: httpx.Client
) -> None:
    kubectl.apply(schedule("report"))
    uid = kubectl.get("dls", "report")["metadata"]["uid"]
    run = "00000000-0000-4000-8000-000000000000"
    status = {"history": [{"id": run, "job": "real", "state": "Running", "trigger": "Manual"}]}
    kubectl.patch("dls", "report", {"status": status}, "--subresource=status")
    pods = [fat("Pod", "escapes", f"fat-{n}", uid) for n in range(12)]
    for pod in pods:
        pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] = run
    create(kubectl.kubeconfig, kubectl.namespace, pods)

    path = f"/schedules/{kubectl.namespace}.report/history/{run}/log"
    response = wait_for("the log's answer", lambda: api.get(path))

    assert response.status_code == 404, response.text
    assert "Too many Pods have the labels of this run" in response.text
    assert peak_memory(pid_of(api)) < MEMORY_LIMIT_MIB
    delete(kubectl.kubeconfig, kubectl.namespace, pods)
