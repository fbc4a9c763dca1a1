"""How long an attempt waits for a server, by a clock that stands still until somebody sleeps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from download_worker.errors import (
    DownloadError,
    Reason,
    StoppedError,
    http_status_error,
    in_seconds,
)
from download_worker.patience import MAX_WAIT_SECONDS, MAX_WAITS, POLL_SECONDS, ask_patiently

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = NOON + timedelta(hours=1)


class Attempts:
    """Asks a server that wants these waits, one after another, and then gives the file."""

    def __init__(self, *waits: int | None) -> None:
        self.now = NOON
        self.asked: list[float] = []
        self.slept: list[float] = []
        self._waits = list(waits)

    def run(
        self, deadline: datetime | None = None, stopped: Callable[[], bool] = lambda: False
    ) -> str:
        return ask_patiently(
            self._ask,
            deadline=deadline,
            stopped=stopped,
            now=lambda: self.now,
            sleep=self._sleep,
        )

    def fail(self, deadline: datetime | None = None) -> DownloadError:
        with pytest.raises(DownloadError) as caught:
            self.run(deadline)
        return caught.value

    def _ask(self) -> str:
        self.asked.append((self.now - NOON).total_seconds())
        if self._waits:
            raise http_status_error(503, self._waits.pop(0))
        return "file"

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def test_server_is_asked_again_after_each_wait() -> None:
    attempts = Attempts(10, 1)
    assert attempts.run(HOUR) == "file"
    assert attempts.asked == [0, 10, 11]
    assert max(attempts.slept) <= POLL_SECONDS


def test_failure_without_a_wait_is_passed_on() -> None:
    attempts = Attempts(None)
    error = attempts.fail()
    assert (error.status, error.permanent, attempts.asked) == (503, False, [0])


def test_waits_fit_up_to_the_limit() -> None:
    assert Attempts(MAX_WAIT_SECONDS).run() == "file"
    assert Attempts(MAX_WAIT_SECONDS - 1, 1).run() == "file"


@pytest.mark.parametrize("waits", [(MAX_WAIT_SECONDS + 1,), (MAX_WAIT_SECONDS, 1), (3600,)])
def test_wait_beyond_the_limit_ends_the_run_and_says_when_to_come_back(
    waits: tuple[int, ...],
) -> None:
    attempts = Attempts(*waits)
    error = attempts.fail(HOUR)
    assert (error.reason, error.status, error.permanent) == (Reason.HTTP_STATUS, 503, True)
    at = NOON + timedelta(seconds=sum(waits))
    assert str(error) == (
        "The server answered 503 Service Unavailable and asks to come back in "
        f"{in_seconds(waits[-1])}, at {at:%Y-%m-%d %H:%M:%S} UTC: a run waits for 900 seconds at "
        "most, so start another one then."
    )


@pytest.mark.parametrize(("left", "fits"), [(61, True), (60, False), (-5, False)])
def test_wait_has_to_end_before_the_run_does(left: int, fits: bool) -> None:
    deadline = NOON + timedelta(seconds=left)
    if fits:
        assert Attempts(60).run(deadline) == "file"
    else:
        error = Attempts(60).fail(deadline)
        assert error.permanent
        assert "raise activeDeadlineSeconds" in str(error)


def test_server_that_asks_for_wait_after_wait_is_left_to_the_next_attempt() -> None:
    attempts = Attempts(*[1] * (MAX_WAITS + 1))
    error = attempts.fail()
    assert (error.permanent, attempts.asked) == (False, list(range(MAX_WAITS + 1)))


def test_wait_ends_when_the_process_is_stopped() -> None:
    attempts = Attempts(600)
    with pytest.raises(StoppedError):
        attempts.run(stopped=lambda: attempts.now >= NOON + timedelta(seconds=3))
    assert sum(attempts.slept) == 3


def test_clock_that_jumps_ahead_ends_the_wait() -> None:
    attempts = Attempts(600)
    hop = iter([timedelta(0), timedelta(hours=1)])

    def stopped() -> bool:
        attempts.now += next(hop, timedelta(0))
        return False

    assert attempts.run(stopped=stopped) == "file"
