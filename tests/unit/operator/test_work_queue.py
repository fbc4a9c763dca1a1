"""Keys, workers and retries, with handlers of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.work_queue import LAST_RETRY, WorkQueue, retry_delay


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(limited())


async def working(queue: WorkQueue[str], workers: int, until: asyncio.Event) -> None:
    tasks = [asyncio.create_task(queue.work()) for _ in range(workers)]
    await until.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_retries_are_jittered_and_bounded(failures: int, dice: float) -> None:
    assert 0.18 <= retry_delay(failures, lambda: dice) <= LAST_RETRY
    assert retry_delay(failures + 1, lambda: dice) >= retry_delay(failures, lambda: dice)


def test_a_key_added_many_times_is_one_key() -> None:
    async def test() -> None:
        handled: list[str] = []
        done = asyncio.Event()

        async def handle(key: str) -> None:
            handled.append(key)
            if key == "last":
                done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        for key in ("a", "a", "b", "a", "last"):
            queue.add(key)
        await working(queue, 1, done)
        assert handled == ["a", "b", "last"]

    run(test)


def test_never_two_workers_on_one_key_and_nothing_added_meanwhile_is_lost() -> None:
    async def test() -> None:
        at_work, rounds, done = 0, 0, asyncio.Event()

        async def handle(key: str) -> None:
            nonlocal at_work, rounds
            at_work += 1
            assert at_work == 1
            rounds += 1
            if rounds == 1:
                queue.add(key)
                queue.add(key)
            await asyncio.sleep(0.01)
            at_work -= 1
            if rounds == 2:
                done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await working(queue, 4, done)
        assert rounds == 2

    run(test)


def test_a_failing_key_is_tried_again_and_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        handled: list[str] = []
        done = asyncio.Event()

        async def handle(key: str) -> None:
            handled.append(key)
            if key == "bad" and handled.count("bad") < 3:
                raise OSError("no answer")
            if handled.count("bad") == 3:
                done.set()

        queue: WorkQueue[str] = WorkQueue(handle, foreseen=(OSError,))
        queue.add("bad")
        queue.add("good")
        await working(queue, 1, done)
        assert handled == ["bad", "good", "bad", "bad"]

    run(test)
    assert "no answer" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_nobody_foresaw_is_logged_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        calls, done = 0, asyncio.Event()

        async def handle(key: str) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise KeyError("oops")
            done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await working(queue, 1, done)

    run(test)
    assert "Traceback" in caplog.text


def test_a_key_is_looked_at_again_when_its_time_has_come() -> None:
    async def test() -> None:
        times: list[float] = []
        done = asyncio.Event()

        async def handle(key: str) -> float | None:
            times.append(asyncio.get_running_loop().time())
            if len(times) == 2:
                done.set()
                return None
            return 0.05

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await working(queue, 2, done)
        assert times[1] - times[0] >= 0.05

    run(test)


def test_a_forgotten_key_is_not_looked_at_again() -> None:
    async def test() -> None:
        handled: list[str] = []
        done = asyncio.Event()

        async def handle(key: str) -> None:
            handled.append(key)
            done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add_after("gone", 0.01)
        queue.forget("gone")
        queue.add_after("there", 0.05)
        await working(queue, 1, done)
        assert handled == ["there"]
        assert queue.stuck_seconds() < 1

    run(test)
