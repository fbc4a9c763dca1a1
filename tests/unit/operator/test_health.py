"""What the monitor makes of the parts, with no cluster behind them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import kopf
import pytest

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_kube.reflector import Reflector
from download_operator import health
from download_operator.cache.cache import Picture
from download_operator.cache.objects import schedule_of
from download_operator.health import Monitor
from download_operator.work_queue import WorkQueue
from tests.unit.operator.world import World


class Parts:
    """An operator at rest."""

    def __init__(self, client: KubeClient, handle: Callable[[str], Awaitable[None]]) -> None:
        self.queue: WorkQueue[str] = WorkQueue(handle)
        self.world = World()
        self.picture: Picture = self.world.picture
        self.reflector: Reflector[Any] = Reflector(
            client, "/api/v1/pods", "", schedule_of, self._ignore, self._ignore, tuple
        )
        lease = Lease(client, "default", "me")
        self.monitor = Monitor(client, lease, self.picture, self.queue, [self.reflector])

    def _ignore(self, _: Any) -> None:
        """Nothing is mirrored here."""


def play(scene: Callable[[Parts], Awaitable[None]], handle: Any = None) -> None:
    async def played() -> None:
        client = KubeClient(
            lambda: kopf.ConnectionInfo(server="https://127.0.0.1:1"), "test", timeout_seconds=30
        )
        try:
            await scene(Parts(client, handle))
        finally:
            await client.close()

    asyncio.run(played())


def test_at_rest_it_is_well() -> None:
    async def scene(parts: Parts) -> None:
        assert parts.monitor.illness() == ""
        assert "download_operator_leader 0\n" in parts.monitor.metrics()
        assert "download_operator_oldest_reconcile_seconds 0\n" in parts.monitor.metrics()

    play(scene)


def test_a_watch_that_waits_for_the_lease_is_not_silent() -> None:
    async def scene(parts: Parts) -> None:
        assert parts.monitor.illness() == ""
        silence = 'download_operator_watch_silence_seconds{path="/api/v1/pods"} 0\n'
        assert silence in parts.monitor.metrics()

    play(scene)


def test_a_watch_that_is_silent_for_ten_minutes_is_an_illness() -> None:
    async def scene(parts: Parts) -> None:
        parts.reflector.last_activity = time.monotonic() - health.DEAF_SECONDS + 5
        assert parts.monitor.illness() == ""
        parts.reflector.last_activity -= 6
        assert parts.monitor.illness() == "the watch of /api/v1/pods is silent"

    play(scene)


def test_a_reconcile_that_does_not_end_is_an_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def hang(_: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def scene(parts: Parts) -> None:
        worker = asyncio.create_task(parts.queue.work())
        parts.queue.add("stuck")
        await begun.wait()
        assert parts.monitor.illness() == ""
        monkeypatch.setattr(health, "STUCK_SECONDS", 0.0)
        assert "a reconcile has not ended" in parts.monitor.illness()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    play(scene, hang)


def test_reconciles_are_counted_by_how_they_ended() -> None:
    ended = asyncio.Event()

    async def handle(key: str) -> None:
        if key == "last":
            ended.set()
        elif key == "bad":
            raise OSError("no")

    async def scene(parts: Parts) -> None:
        for key in ("good", "bad", "last"):
            parts.queue.add(key)
        assert "download_operator_queue_length 3\n" in parts.monitor.metrics()
        worker = asyncio.create_task(parts.queue.work())
        await ended.wait()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        text = parts.monitor.metrics()
        assert 'download_operator_reconciles_total{result="error"} 1\n' in text
        assert 'download_operator_reconciles_total{result="success"} 2\n' in text

    play(scene, handle)


def test_schedules_are_counted_by_condition_and_reasons_are_escaped() -> None:
    async def scene(parts: Parts) -> None:
        parts.world.settle()
        status = parts.world.status
        odd = {**status["conditions"][0], "reason": 'a"b\\c\nd'}
        parts.world.store({**status, "conditions": [odd]})
        parts.picture.put_schedule(schedule_of(parts.world.manifest))
        name = "download_operator_schedules"
        wanted = f'{name}{{condition="Ready",status="True",reason="a\\"b\\\\c\\nd"}} 1\n'
        assert wanted in parts.monitor.metrics()

    play(scene)
