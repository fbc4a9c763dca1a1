"""What tenants make large in their own namespace, where operator and API read it on purpose."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from download_api.server.bodies import MAX_BODY_BYTES
from download_api.server.streams import MAX_STREAMS
from download_kube import paths
from download_schedule.names import JOB_UID_LABEL
from tests.support.api_process import KEY, api_servers, pid_of
from tests.support.chart import memory_limit_of
from tests.support.fake_kubelet import active_pod, end_pod, start_run, wait_until_recorded
from tests.support.fat_objects import (
    LONGEST_VALUE,
    cluster_client,
    create,
    delete,
    fat,
    peak_memory,
)
from tests.support.memory_limit import memory_limit
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

COPIES: Final = 40
CALLERS: Final = 300

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


def check_process(operator: Operator) -> None:
    assert operator.process.poll() is None
    assert peak_memory(operator.process.pid) < memory_limit_of("operator")
    print(f"operator: {peak_memory(operator.process.pid)} MiB")


def test_fat_pods_with_the_labels_of_a_run_are_listed_in_bounded_memory(
    kubectl: Kubectl, operator: Operator
) -> None:
    """The operator lists the Pods of a run that ended without it. Any Pod can have the label."""
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    run = start_run(kubectl, "report", "unseen")
    operator.kill()
    pod = active_pod(kubectl, "unseen")
    end_pod(kubectl, "unseen")
    kubectl("wait", "--for=condition=Complete", "job/unseen")
    kubectl.patch("pod", pod, {"metadata": {"finalizers": None}})
    kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    pods = [fat("Pod", "escapes", f"fat-{n}") for n in range(COPIES)]
    for manifest in pods:
        manifest["metadata"]["labels"][JOB_UID_LABEL] = run
    create(kubectl.kubeconfig, kubectl.namespace, pods)

    operator.start_again()
    wait_until_recorded(kubectl, "report", "unseen", "Completed")
    check_process(operator)
    delete(kubectl.kubeconfig, kubectl.namespace, pods)


def test_fat_edits_of_cron_jobs_are_repaired_in_bounded_memory(
    kubectl: Kubectl, operator: Operator
) -> None:
    names = [f"report-{n}" for n in range(COPIES)]
    kubectl.apply(*(schedule(name, schedule="0 0 1 1 *") for name in names))
    kubectl("wait", "--for=condition=Ready", "dls", "--all", "--timeout=60s")
    collection = paths.collection(paths.BATCH, kubectl.namespace, "cronjobs")
    operator.kill()
    with cluster_client(kubectl.kubeconfig) as server:
        for name in names:
            make_fat(server, f"{collection}/{name}")

        operator.start_again()  # and repair all of them at the same time

        def are_thin() -> bool:
            return all(len(server.get(f"{collection}/{name}").text) < 50_000 for name in names)

        wait_for("the repairs", are_thin, timeout=120, every=1)
    check_process(operator)


def make_fat(server: httpx.Client, path: str) -> None:
    """Edit a CronJob as anybody can who has the role `edit`."""
    for _ in range(5):
        manifest = server.get(path).json()
        (container,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        container["env"].append({"name": "FAT", "value": "<" * (LONGEST_VALUE - 100_000)})
        response = server.put(path, json=manifest)
        if response.status_code == 200:
            return
    raise AssertionError(response.text[:1000])


@pytest.fixture
def api(cluster: LocalCluster, tmp_path: Path, kubectl: Kubectl) -> Iterator[httpx.Client]:
    """A client of an API with the chart's limit of memory in force."""
    with (
        memory_limit(memory_limit_of("api")) as limit,
        api_servers(cluster.kubeconfig, tmp_path, limit) as start,
    ):
        client = start(auth="key", key=KEY, namespace=kubectl.namespace)
        client.timeout = httpx.Timeout(120)
        yield client
        assert not limit.kills


@pytest.fixture
def fat_schedule(kubectl: Kubectl) -> Iterator[str]:
    """The id of a schedule whose every part is as large as the API server takes."""
    manifest = fat("DownloadSchedule", "fields", "fat")
    manifest["metadata"]["annotations"] = {"fat": "<" * 100_000}
    create(kubectl.kubeconfig, kubectl.namespace, [manifest])
    yield f"{kubectl.namespace}.fat"
    delete(kubectl.kubeconfig, kubectl.namespace, [manifest])


def send_many(api: httpx.Client, method: str, path: str, **options: Any) -> set[int]:
    """Send a hundred requests, all at the same time; return their statuses."""
    limits = httpx.Limits(max_connections=100)
    with (
        httpx.Client(
            base_url=api.base_url, headers=api.headers, timeout=120, limits=limits
        ) as many,
        ThreadPoolExecutor(100) as pool,
    ):
        responses = pool.map(lambda _: many.request(method, path, **options), range(100))
        return {response.status_code for response in responses}


def test_many_requests_for_a_fat_schedule_fit_into_the_memory_limit(
    api: httpx.Client, fat_schedule: str, kubectl: Kubectl
) -> None:
    kubectl.apply(schedule("report"))
    path = f"/schedules/{fat_schedule}"
    statuses = {
        "get": send_many(api, "GET", path),
        "history": send_many(api, "GET", f"{path}/history"),
        "change": send_many(api, "PATCH", path, json={"name": "x"}),
        "run": send_many(api, "POST", f"{path}/run?dry_run=true"),
    }
    print(statuses)
    assert statuses["get"] == statuses["history"] == {200}
    assert statuses["change"] <= {200, 409, 503}
    assert api.get(f"/schedules/{kubectl.namespace}.report").status_code == 200


def test_events_that_nobody_reads_fit_into_the_memory_limit(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    manifests = [fat("DownloadSchedule", "fields", f"fat-{n:02d}") for n in range(COPIES)]
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                api.stream("GET", "/events", params={"namespace": kubectl.namespace})
            )
            for _ in range(MAX_STREAMS)
        ]
        create(kubectl.kubeconfig, kubectl.namespace, manifests)
        kubectl.apply(schedule("last"))
        assert all(any('"last"' in line for line in s.iter_lines()) for s in streams)
    delete(kubectl.kubeconfig, kubectl.namespace, manifests)


def test_many_large_bodies_fit_into_the_memory_limit(api: httpx.Client, kubectl: Kubectl) -> None:
    """Of a caller who may create schedules, and never sends the last byte."""
    kubectl.apply(schedule("report"))
    head = (
        "POST /schedules HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {KEY}\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n"
    )
    body = b" " * (MAX_BODY_BYTES - 1)
    with ExitStack() as stack:
        for _ in range(CALLERS):
            connection = socket.create_connection(("127.0.0.1", api.base_url.port or 80), 10)
            stack.enter_context(connection)
            connection.sendall(head.encode())
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(body)
        assert api.get(f"/schedules/{kubectl.namespace}.report").status_code == 200
        peak = peak_memory(pid_of(api))
    print(f"bodies: {peak} MiB")
    assert peak < memory_limit_of("api")
