"""What the operator does while the API server is away, frozen or silent, and what it reports."""

import asyncio
import random
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import kopf
import pytest
from aiohttp import ClientResponse, web

from download_kube import reflector
from download_kube.client import KubeClient
from download_kube.reflector import Reflector
from download_operator.cache.objects import Schedule, decode_schedule, parse_schedule
from download_schedule.model import API_VERSION, PLURAL
from tests.chaos.faulty_proxy import FaultyProxy
from tests.support.fake_kubelet import end_pod, start_run, wait_until_recorded
from tests.support.kubeconfig import login_by
from tests.support.operator_process import Operator, StartOperator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def read_metrics(operator: Operator) -> dict[tuple[str, str], float]:
    """Return all samples by name and labels."""
    return {
        (name.removeprefix("download_operator_"), labels): float(number)
        for name, labels, number in SAMPLE.findall(operator.get("/metrics").text)
    }


@pytest.fixture
def thaw(cluster: LocalCluster) -> Iterator[None]:
    yield
    cluster.signal("kube-apiserver", signal.SIGCONT)


def is_healthy(operator: Operator) -> bool:
    try:
        return operator.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def count_unanswered(operator: Operator) -> float:
    samples = read_metrics(operator).items()
    return sum(number for (_, labels), number in samples if 'code="0"' in labels)


@pytest.mark.usefixtures("thaw")
def test_operator_starts_while_the_api_server_is_frozen_and_works_when_it_is_back(
    kubectl: Kubectl, cluster: LocalCluster, start_operator: StartOperator
) -> None:
    kubectl.apply(schedule("report"))
    cluster.signal("kube-apiserver", signal.SIGSTOP)

    operator = start_operator(wait=False)
    wait_for("its health port", lambda: is_healthy(operator))
    wait_for("two timeouts", lambda: count_unanswered(operator) >= 2)
    assert is_healthy(operator)
    assert read_metrics(operator)["leader", ""] == 0
    assert operator.process.poll() is None

    cluster.signal("kube-apiserver", signal.SIGCONT)
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=60s")
    assert read_metrics(operator)["leader", ""] == 1


@pytest.mark.usefixtures("thaw")
def test_leader_ends_once_when_the_api_server_freezes_and_its_runs_are_recorded(
    kubectl: Kubectl, cluster: LocalCluster, operator: Operator
) -> None:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    start_run(kubectl, "report", "now")
    wait_until_recorded(kubectl, "report", "now", "Pending")

    cluster.signal("kube-apiserver", signal.SIGSTOP)
    # It cannot know that no other replica has its Lease.
    assert operator.process.wait(timeout=30) == 1

    operator.start_without_waiting()
    wait_for("its health port", lambda: is_healthy(operator))
    wait_for("two timeouts", lambda: count_unanswered(operator) >= 2)
    assert operator.process.poll() is None

    cluster.signal("kube-apiserver", signal.SIGCONT)
    end_pod(kubectl, "now")
    wait_until_recorded(kubectl, "report", "now", "Completed")
    assert not operator.has_logged("Traceback")


def test_metrics_explain_what_became_of_the_schedules(kubectl: Kubectl, operator: Operator) -> None:
    kubectl.apply(schedule("good"), schedule("never", schedule="0 0 31 2 *"))
    kubectl("wait", "--for=condition=Ready", "dls/good")
    kubectl("wait", "--for=condition=Ready=false", "dls/never")

    metrics = read_metrics(operator)

    assert metrics["schedules", 'condition="Ready",reason="Scheduled",status="True"'] == 1
    assert metrics["schedules", 'condition="Ready",reason="InvalidSpec",status="False"'] == 1
    assert metrics["reconciles_total", 'result="success"'] >= 2
    assert metrics["reconciles_total", 'result="error"'] == 0
    assert metrics["api_requests_total", 'code="201",method="POST"'] == 1
    assert metrics["api_requests_total", 'code="200",method="PUT"'] >= 2
    content_type = operator.get("/metrics").headers["Content-Type"]
    assert content_type.startswith("text/plain; version=0.0.4")


def path_of(kubectl: Kubectl) -> str:
    return f"/apis/{API_VERSION}/namespaces/{kubectl.namespace}/{PLURAL}"


@asynccontextmanager
async def synced(account: kopf.ConnectionInfo, *arguments: Any) -> AsyncIterator[Reflector[Any]]:
    """Run a reflector, and wait until its first list is complete."""
    client = KubeClient(lambda: account, "test", timeout_seconds=30)
    mirror: Reflector[Any] = Reflector(client, *arguments)
    running = asyncio.create_task(mirror.run())
    try:
        async with asyncio.timeout(30):
            await mirror.synced.wait()
        yield mirror
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


def ignore(_: Schedule) -> None:
    """Take an object and do nothing."""


def test_silent_watch_is_started_again_and_misses_nothing(
    kubectl: Kubectl, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose other end is gone looks like one on which nothing happens."""
    monkeypatch.setattr(reflector, "IDLE_TIMEOUT_SECONDS", 1.0)
    names: set[str] = set()

    def put(observed: Schedule) -> None:
        names.add(observed.name)

    async def run() -> None:
        account = login_by(cluster.kubeconfig)()
        arguments = (path_of(kubectl), "", decode_schedule, put, ignore, tuple)
        async with synced(account, *arguments) as mirror, asyncio.timeout(30):
            for name in ("one", "two"):
                failures = mirror.failures
                while mirror.failures == failures:
                    await asyncio.sleep(0.05)
                await asyncio.to_thread(kubectl.apply, schedule(name))
                while name not in names:
                    await asyncio.sleep(0.05)

    asyncio.run(run())


def test_object_that_was_deleted_before_any_event_of_it_leaves_the_cache(
    kubectl: Kubectl, cluster: LocalCluster
) -> None:
    """Our own writes are cached at once. What is deleted before a list is in no event."""
    kubectl.apply(schedule("deleted"), schedule("existing"))
    deleted, existing = (parse_schedule(kubectl.get("dls", n)) for n in ("deleted", "existing"))
    kubectl("delete", "dls", "deleted")
    newer = replace(deleted, uid="later", resource_version=2**62)
    cached = (deleted, existing, newer)
    removed: list[Schedule] = []

    async def run() -> None:
        account = login_by(cluster.kubeconfig)()
        arguments = (path_of(kubectl), "", decode_schedule, ignore, removed.append, lambda: cached)
        async with synced(account, *arguments):
            pass

    asyncio.run(run())

    assert removed == [deleted]


class EndingWatches(FaultyProxy):
    """Spoils nothing, but ends every watch at once."""

    def _strikes(self, _kind: str) -> bool:
        return False

    async def _forward_watch(
        self, _request: web.Request, _response: ClientResponse
    ) -> web.StreamResponse:
        self.faults["ended"] += 1
        return web.Response(content_type="application/json")


def test_watch_that_always_ends_at_once_is_started_ever_more_slowly(
    kubectl: Kubectl, cluster: LocalCluster
) -> None:
    async def run() -> int:
        proxy = EndingWatches(login_by(cluster.kubeconfig)(), random.Random(1))
        account = kopf.ConnectionInfo(server=f"http://127.0.0.1:{await proxy.start()}")
        arguments = (path_of(kubectl), "", decode_schedule, ignore, ignore, tuple)
        try:
            async with synced(account, *arguments):
                await asyncio.sleep(5)
        finally:
            await proxy.stop()
        return proxy.faults["ended"]

    assert 2 <= asyncio.run(run()) <= 20
