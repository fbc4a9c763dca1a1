"""Keys, workers and retries."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.reconciling.work_queue import MAX_RETRY_SECONDS, WorkQueue, retry_delay


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(limited())


async def work(queue: WorkQueue[str], workers: int, until: asyncio.Event) -> None:
    tasks = [asyncio.create_task(queue.work()) for _ in range(workers)]
    await until.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_retry_delay_grows_to_its_limit(failures: int, share: float) -> None:
    delay = retry_delay(failures, lambda: share)

    assert 0.18 <= delay <= MAX_RETRY_SECONDS
    assert retry_delay(failures + 1, lambda: share) >= delay


def test_key_added_several_times_is_worked_on_once() -> None:
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
        await work(queue, 1, done)

        assert handled == ["a", "b", "last"]

    run(test)


def test_key_added_during_its_turn_gets_another_turn_of_one_worker() -> None:
    async def test() -> None:
        workers, turns, done = 0, 0, asyncio.Event()

        async def handle(key: str) -> None:
            nonlocal workers, turns
            workers += 1
            assert workers == 1
            turns += 1
            if turns == 1:
                queue.add(key)
                queue.add(key)
            await asyncio.sleep(0.01)
            workers -= 1
            if turns == 2:
                done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await work(queue, 4, done)

        assert turns == 2

    run(test)


def test_failing_key_is_tried_again_and_delays_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        handled: list[str] = []
        done = asyncio.Event()

        async def handle(key: str) -> None:
            handled.append(key)
            if key == "bad" and handled.count("bad") < 3:
                raise OSError("no response")
            if handled.count("bad") == 3:
                done.set()

        queue: WorkQueue[str] = WorkQueue(handle, expected_errors=(OSError,))
        queue.add("bad")
        queue.add("good")
        await work(queue, 1, done)

        assert handled == ["bad", "good", "bad", "bad"]

    run(test)
    assert "no response" in caplog.text
    assert "Traceback" not in caplog.text


def test_unexpected_error_is_logged_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        turns, done = 0, asyncio.Event()

        async def handle(_: str) -> None:
            nonlocal turns
            turns += 1
            if turns == 1:
                raise KeyError("oops")
            done.set()

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await work(queue, 1, done)

    run(test)
    assert "Traceback" in caplog.text


def test_key_gets_another_turn_when_its_delay_is_over() -> None:
    async def test() -> None:
        times: list[float] = []
        done = asyncio.Event()

        async def handle(_: str) -> float | None:
            times.append(asyncio.get_running_loop().time())
            if len(times) == 2:
                done.set()
                return None
            return 0.05

        queue: WorkQueue[str] = WorkQueue(handle)
        queue.add("a")
        await work(queue, 2, done)

        assert times[1] - times[0] >= 0.05

    run(test)


def test_forgotten_key_gets_no_turn() -> None:
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
        await work(queue, 1, done)

        assert handled == ["there"]
        assert queue.oldest_turn_seconds() < 1

    run(test)
