"""The API server is away, frozen or silent: what the operator does, and what it says of itself."""

import asyncio
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import replace

import httpx
import kopf
import pytest
from aiohttp import ClientResponse, web

from download_kube import reflector
from download_kube.client import KubeClient
from download_kube.reflector import Reflector
from download_operator.cache.objects import Schedule, schedule_of
from download_schedule.model import API_VERSION, PLURAL
from tests.chaos.faulty_proxy import Trouble
from tests.integration.conftest import StartOperator
from tests.support.fake_kubelet import end_pod, recorded, start_run
from tests.support.kubeconfig import login_by
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def metrics(operator: Operator) -> dict[tuple[str, str], float]:
    """All samples by name and labels."""
    found = SAMPLE.findall(operator.ask("/metrics").text)
    return {
        (name.removeprefix("download_operator_"), labels): float(number)
        for name, labels, number in found
    }


@pytest.fixture
def thaw(cluster: LocalCluster) -> Iterator[None]:
    yield
    cluster.signal("kube-apiserver", signal.SIGCONT)


def is_up(operator: Operator) -> bool:
    try:
        return operator.ask("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def unanswered(operator: Operator) -> float:
    return sum(n for (name, of), n in metrics(operator).items() if 'code="0"' in of)


@pytest.mark.usefixtures("thaw")
def test_it_starts_while_the_api_server_is_frozen_and_works_when_it_is_back(
    kubectl: Kubectl, cluster: LocalCluster, start_operator: StartOperator
) -> None:
    kubectl.apply(schedule("report"))
    cluster.signal("kube-apiserver", signal.SIGSTOP)
    operator = start_operator(wait=False)
    wait_for("its port", lambda: is_up(operator))
    wait_for("two requests given up", lambda: unanswered(operator) >= 2)
    assert operator.ask("/healthz").status_code == 200
    assert metrics(operator)["leader", ""] == 0
    assert operator.process.poll() is None
    cluster.signal("kube-apiserver", signal.SIGCONT)
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=60s")
    assert metrics(operator)["leader", ""] == 1


@pytest.mark.usefixtures("thaw")
def test_a_leader_ends_once_when_the_api_server_freezes_and_its_runs_are_recorded(
    kubectl: Kubectl, cluster: LocalCluster, operator: Operator
) -> None:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    start_run(kubectl, "report", "now")
    recorded(kubectl, "report", "now", "Pending")
    cluster.signal("kube-apiserver", signal.SIGSTOP)
    assert operator.process.wait(timeout=30) == 1  # it cannot know that nobody has its Lease
    operator.start_without_waiting()
    wait_for("its port", lambda: is_up(operator))
    wait_for("two requests given up", lambda: unanswered(operator) >= 2)
    assert operator.process.poll() is None
    cluster.signal("kube-apiserver", signal.SIGCONT)
    end_pod(kubectl, "now")
    recorded(kubectl, "report", "now", "Completed")
    assert "Traceback" not in operator.log.read_text()


def test_the_numbers_explain_what_became_of_the_schedules(
    kubectl: Kubectl, operator: Operator
) -> None:
    kubectl.apply(schedule("good"), schedule("never", schedule="0 0 31 2 *"))
    kubectl("wait", "--for=condition=Ready", "dls/good")
    kubectl("wait", "--for=condition=Ready=false", "dls/never")
    found = metrics(operator)
    assert found["schedules", 'condition="Ready",status="True",reason="Scheduled"'] == 1
    assert found["schedules", 'condition="Ready",status="False",reason="InvalidSpec"'] == 1
    assert found["reconciles_total", 'result="success"'] >= 2
    assert found["reconciles_total", 'result="error"'] == 0
    assert found["api_requests_total", 'method="POST",code="201"'] == 1
    assert found["api_requests_total", 'method="PUT",code="200"'] >= 2
    assert operator.ask("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


def path_of(kubectl: Kubectl) -> str:
    return f"/apis/{API_VERSION}/namespaces/{kubectl.namespace}/{PLURAL}"


def test_a_watch_that_is_silent_is_begun_anew_and_misses_nothing(
    kubectl: Kubectl, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose other end is gone says no more than one that has nothing to say."""
    monkeypatch.setattr(reflector, "SILENCE_SECONDS", 1.0)
    seen: set[str] = set()

    def put(view: Schedule) -> None:
        seen.add(view.name)

    async def scene() -> None:
        client = KubeClient(login_by(cluster.kubeconfig), "test", timeout_seconds=30)
        mirror = Reflector(client, path_of(kubectl), "", schedule_of, put, put, tuple)
        running = asyncio.create_task(mirror.run())
        try:
            async with asyncio.timeout(30):
                await mirror.synced.wait()
                for name in ("one", "two"):
                    failures = mirror.failures
                    while mirror.failures == failures:
                        await asyncio.sleep(0.05)
                    await asyncio.to_thread(kubectl.apply, schedule(name))
                    while name not in seen:
                        await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()

    asyncio.run(scene())


def test_what_was_gone_before_a_watch_told_of_it_is_not_known_for_ever(
    kubectl: Kubectl, cluster: LocalCluster
) -> None:
    """Our own writes are known at once, and what is deleted before a list is in no event."""
    kubectl.apply(schedule("written"), schedule("kept"))
    written, kept = (schedule_of(kubectl.get("dls", name)) for name in ("written", "kept"))
    kubectl("delete", "dls", "written")
    made_later = replace(written, uid="later", resource_version=2**62)
    removed: list[Schedule] = []

    async def scene() -> None:
        client = KubeClient(login_by(cluster.kubeconfig), "test", timeout_seconds=30)
        known = (written, kept, made_later)
        mirror: Reflector[Schedule] = Reflector(
            client, path_of(kubectl), "", schedule_of, print, removed.append, lambda: known
        )
        running = asyncio.create_task(mirror.run())
        try:
            async with asyncio.timeout(30):
                await mirror.synced.wait()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()

    asyncio.run(scene())
    assert removed == [written]


class EndsWatches(Trouble):
    """Spoils nothing but watches, which it ends at once."""

    def _strikes(self, _kind: str) -> bool:
        return False

    async def _watch(self, _request: web.Request, _answer: ClientResponse) -> web.StreamResponse:
        self.made["end"] += 1
        return web.Response(content_type="application/json")


def test_a_watch_that_always_ends_at_once_is_begun_ever_more_slowly(
    kubectl: Kubectl, cluster: LocalCluster
) -> None:
    async def scene() -> int:
        way = EndsWatches(login_by(cluster.kubeconfig)(), random.Random(1))
        around = kopf.ConnectionInfo(server=f"http://127.0.0.1:{await way.start()}")
        client = KubeClient(lambda: around, "test", timeout_seconds=30)
        mirror: Reflector[Schedule] = Reflector(
            client, path_of(kubectl), "", schedule_of, print, print, tuple
        )
        running = asyncio.create_task(mirror.run())
        try:
            async with asyncio.timeout(30):
                await mirror.synced.wait()
            await asyncio.sleep(5)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()
            await way.stop()
        return way.made["end"]

    assert 2 <= asyncio.run(scene()) <= 20
