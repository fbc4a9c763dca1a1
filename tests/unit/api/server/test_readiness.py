"""How often probes ask the API server."""

import asyncio

import pytest

from download_api.server.readiness import ANSWER_SECONDS, Readiness
from download_kube.errors import ApiError, UnreachableError
from tests.support.fake_clock import FakeClock


class Cluster:
    """Counts questions, and answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ping(self) -> None:
        self.asked += 1
        await self.may_answer.wait()
        if self.error:
            raise self.error


def test_answer_is_used_for_two_seconds() -> None:
    async def run() -> None:
        cluster, clock = Cluster(), FakeClock(1000)
        readiness = Readiness(cluster.ping, clock)
        for _ in range(400):
            assert await readiness.unready_reason() == ""
        clock.now += ANSWER_SECONDS - 0.1
        await readiness.unready_reason()
        assert cluster.asked == 1
        clock.now += 0.1
        await readiness.unready_reason()
        assert cluster.asked == 2

    asyncio.run(run())


@pytest.mark.parametrize("error", [UnreachableError("refused"), ApiError(403, "Forbidden", "no")])
def test_failure_is_used_for_two_seconds_too(error: Exception) -> None:
    async def run() -> None:
        cluster, clock = Cluster(), FakeClock()
        readiness = Readiness(cluster.ping, clock)
        cluster.error = error
        assert str(error) in await readiness.unready_reason()
        cluster.error = None
        assert str(error) in await readiness.unready_reason()
        clock.now = ANSWER_SECONDS
        assert await readiness.unready_reason() == ""

    asyncio.run(run())


def test_probes_share_a_question_however_long_it_takes() -> None:
    async def run() -> None:
        cluster, clock = Cluster(), FakeClock()
        readiness = Readiness(cluster.ping, clock)
        cluster.may_answer.clear()
        probes = [asyncio.create_task(readiness.unready_reason()) for _ in range(50)]
        await asyncio.sleep(0)
        clock.now = 9
        probes.append(asyncio.create_task(readiness.unready_reason()))
        await asyncio.sleep(0)
        probes[0].cancel()
        cluster.may_answer.set()
        answers = await asyncio.gather(*probes, return_exceptions=True)
        assert answers[1:] == [""] * 50
        assert cluster.asked == 1

    asyncio.run(run())
