"""When the operator calls itself unhealthy, judged by parts without a cluster behind them."""

import asyncio
import time

import pytest

from download_operator import monitor
from tests.support.operator_parts import Parts, run_with_parts


def test_operator_at_rest_is_healthy() -> None:
    async def test(parts: Parts) -> None:
        assert parts.monitor.unhealthy_reason() == ""

    run_with_parts(test)


def test_watch_that_waits_for_the_lease_is_not_stale() -> None:
    async def test(parts: Parts) -> None:
        assert monitor.idle_seconds(parts.reflector) == 0

    run_with_parts(test)


def test_watch_that_received_nothing_for_ten_minutes_is_unhealthy() -> None:
    async def test(parts: Parts) -> None:
        parts.reflector.last_activity = time.monotonic() - monitor.WATCH_STALE_SECONDS + 5
        assert parts.monitor.unhealthy_reason() == ""

        parts.reflector.last_activity -= 6
        reason = "the watch of /api/v1/pods has received nothing for ten minutes"
        assert parts.monitor.unhealthy_reason() == reason

    run_with_parts(test)


def test_reconcile_that_does_not_end_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def hang(_: str) -> None:
        started.set()
        await asyncio.Event().wait()

    async def test(parts: Parts) -> None:
        worker = asyncio.create_task(parts.queue.work())
        parts.queue.add("stuck")
        await started.wait()
        assert parts.monitor.unhealthy_reason() == ""

        monkeypatch.setattr(monitor, "MAX_TURN_SECONDS", 0.0)
        assert "a reconcile has not ended" in parts.monitor.unhealthy_reason()

        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    run_with_parts(test, hang)
