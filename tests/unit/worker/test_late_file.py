"""When an attempt looks again for a file, by a clock that stands still until somebody sleeps."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.task import Until, WaitFor
from download_worker.errors import DownloadError, Reason, StoppedError, http_status_error
from download_worker.late_file import LateFile
from download_worker.patience import ask_patiently

TICK = datetime(2026, 11, 24, 2, tzinfo=UTC)
FILE = "file"
NOT_FOUND = http_status_error(404)
UNAVAILABLE = http_status_error(503)
UNCHANGED = DownloadError(Reason.NOT_YET, "The server still has the file that was kept last.", 304)
REFUSED = DownloadError(Reason.CONNECTION_FAILED, "Nobody listens: check the port.")


class Run:
    """Looks at a server that answers like this, the last answer for all further looks."""

    def __init__(
        self,
        *answers: DownloadError | str,
        every: int = 300,
        at_most: int = 1000,
        statuses: tuple[int, ...] = (404,),
        started: int = 0,
        look_seconds: float = 0,
        left: int = 100_000,
    ) -> None:
        self.now = TICK + timedelta(seconds=started)
        self.looks: list[float] = []
        self._answers = list(answers)
        self._look_seconds = look_seconds
        self._wait_for = WaitFor(Until.EXISTS, every, at_most, statuses)
        self._deadline = TICK + timedelta(seconds=left)

    def finish(self) -> str:
        return ask_patiently(
            self._look,
            deadline=self._deadline,
            stopped=lambda: False,
            look_again=LateFile(self._wait_for, TICK).next_look,
            now=lambda: self.now,
            sleep=self._sleep,
        )

    def fail(self) -> DownloadError:
        with pytest.raises(DownloadError) as caught:
            self.finish()
        return caught.value

    def _look(self) -> str:
        self.looks.append((self.now - TICK).total_seconds())
        self.now += timedelta(seconds=self._look_seconds)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, DownloadError):
            raise answer
        return answer

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_file_that_comes_is_found_at_the_next_look() -> None:
    run = Run(NOT_FOUND, NOT_FOUND, FILE)
    assert run.finish() == FILE
    assert run.looks == [0, 300, 600]


def test_last_look_is_at_the_end_of_the_wait() -> None:
    run = Run(NOT_FOUND)
    error = run.fail()
    assert run.looks == [0, 300, 600, 900, 1000]
    assert (error.reason, error.status, error.permanent) == (Reason.NOT_YET, 404, True)
    assert str(error) == (
        "The server answered 404 Not Found, and the wait for the file ends at "
        "2026-11-24 02:16:40 UTC: raise waitFor.atMostSeconds, or correct the url."
    )


def test_file_that_comes_at_the_last_look_is_fetched() -> None:
    run = Run(*[NOT_FOUND] * 4, FILE)
    assert run.finish() == FILE
    assert run.looks[-1] == 1000


def test_pause_is_counted_from_the_end_of_a_look() -> None:
    run = Run(NOT_FOUND, look_seconds=50)
    run.fail()
    assert run.looks == [0, 350, 700, 1000]


def test_wait_of_an_attempt_that_starts_later_ends_at_the_same_time() -> None:
    run = Run(NOT_FOUND, started=450)
    run.fail()
    assert run.looks == [450, 750, 1000]


@pytest.mark.parametrize("started", [1000, 1001, 86_400])
def test_attempt_after_the_end_of_the_wait_looks_once(started: int) -> None:
    run = Run(NOT_FOUND, started=started)
    assert run.fail().reason is Reason.NOT_YET
    assert run.looks == [started]


def test_file_that_has_not_changed_is_waited_for() -> None:
    assert Run(UNCHANGED, UNCHANGED, FILE).finish() == FILE
    error = Run(UNCHANGED).fail()
    assert (error.reason, error.status) == (Reason.NOT_YET, 304)
    assert str(error) == (
        "The server still has the file that was kept last, and the wait for the file ends at "
        "2026-11-24 02:16:40 UTC: raise waitFor.atMostSeconds."
    )


@pytest.mark.parametrize("status", [202, 403, 410, 503])
def test_any_status_can_mean_not_yet(status: int) -> None:
    run = Run(http_status_error(status), statuses=(status,))
    error = run.fail()
    assert (error.reason, error.status, run.looks[-1]) == (Reason.NOT_YET, status, 1000)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_other_status_ends_the_run_at_once(status: int) -> None:
    run = Run(http_status_error(status), statuses=())
    error = run.fail()
    assert (error.reason, error.permanent, run.looks) == (Reason.HTTP_STATUS, True, [0])


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        DownloadError(Reason.CONNECT_TIMEOUT, "Slow."),
        DownloadError(Reason.HOST_NOT_FOUND, "No name."),
        DownloadError(Reason.TLS_FAILED, "No trust."),
        DownloadError(Reason.STALLED, "Silence."),
        DownloadError(Reason.CONNECTION_LOST, "Cut."),
        DownloadError(Reason.BAD_RESPONSE, "Not HTTP."),
        *map(http_status_error, (202, 408, 425, 429, 500, 502, 599)),
    ],
    ids=lambda error: f"{error.reason}-{error.status}",
)
def test_failure_that_says_nothing_about_the_file_is_part_of_the_wait(error: DownloadError) -> None:
    run = Run(NOT_FOUND, error, error, FILE)
    assert run.finish() == FILE
    assert run.looks == [0, 300, 600, 900]


def test_such_a_failure_at_the_last_look_is_left_to_the_next_attempt() -> None:
    run = Run(REFUSED)
    error = run.fail()
    assert error is REFUSED
    assert not error.permanent
    assert run.looks[-1] == 1000


@pytest.mark.parametrize(
    "error",
    [
        DownloadError(Reason.CONNECTION_LOST, "Cut.", 200),
        DownloadError(Reason.STALLED, "Silence.", 200),
        DownloadError(Reason.BAD_RESPONSE, "Coded wrongly.", 200),
        DownloadError(Reason.INCOMPLETE_BODY, "Short.", 200),
        DownloadError(Reason.TOO_SMALL, "Small.", 200),
        DownloadError(Reason.WRONG_TYPE, "A page.", 200),
        DownloadError(Reason.NO_SPACE, "Full."),
        DownloadError(Reason.ADDRESS_REFUSED, "Private."),
        StoppedError(),
    ],
    ids=lambda error: str(error.reason),
)
def test_failure_after_the_file_began_to_come_is_an_ordinary_one(error: DownloadError) -> None:
    run = Run(NOT_FOUND, error)
    assert run.fail() is error
    assert run.looks == [0, 300]


@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize(("asked", "second"), [(10, 300), (300, 300), (301, 301), (1000, 1000)])
def test_no_look_comes_before_the_time_that_the_server_asks_for(
    status: int, asked: int, second: int
) -> None:
    run = Run(http_status_error(status, asked), FILE)
    assert run.finish() == FILE
    assert run.looks == [0, second]


def test_server_that_asks_for_more_than_the_wait_ends_the_run_and_says_when_to_come_back() -> None:
    run = Run(http_status_error(404, 1001))
    error = run.fail()
    assert (error.reason, error.permanent, run.looks) == (Reason.NOT_YET, True, [0])
    assert str(error) == (
        "The server answered 404 Not Found and asks to come back at 2026-11-24 02:16:41 UTC, but "
        "the wait for the file ends at 2026-11-24 02:16:40 UTC: start another run then."
    )


def test_own_wish_of_the_server_counts_beyond_the_wait_as_it_does_without_one() -> None:
    run = Run(http_status_error(503, 150), FILE, started=900)
    assert run.finish() == FILE
    assert run.looks == [900, 1050]
    error = Run(http_status_error(503, 150), started=900, left=1050).fail()
    assert "raise activeDeadlineSeconds" in str(error)


def test_waits_of_a_late_file_do_not_use_up_those_that_servers_ask_for() -> None:
    run = Run(*[http_status_error(404, 300)] * 8, http_status_error(503, 900), FILE, at_most=2400)
    assert run.finish() == FILE
    assert run.looks[-2:] == [2400, 3300]


@given(
    answers=st.lists(st.none() | st.integers(1, 2000), min_size=1, max_size=30),
    every=st.integers(10, 600),
    at_most=st.integers(600, 3000),
    started=st.integers(0, 4000),
    look_seconds=st.sampled_from([0, 0.5, 45]),
)
def test_looks_keep_the_pause_the_end_and_the_wish_of_the_server(
    answers: list[int | None], every: int, at_most: int, started: int, look_seconds: float
) -> None:
    errors = [http_status_error(404, seconds) for seconds in answers]
    run = Run(
        *errors, NOT_FOUND, every=every, at_most=at_most, started=started, look_seconds=look_seconds
    )
    assert run.fail().reason is Reason.NOT_YET

    assert run.looks[0] == started
    wishes = [*answers, *[None] * len(run.looks)]
    for earlier, later, wish in zip(run.looks, run.looks[1:], wishes, strict=False):
        pause = later - earlier - look_seconds
        assert later <= at_most
        assert pause >= every or later == at_most
        assert pause >= (wish or 0)
        assert pause <= max(every, wish or 0)


def test_log_says_when_it_looks_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Run(http_status_error(404, 30), REFUSED, UNCHANGED, FILE).finish()
    until = "and until 2026-11-24 02:16:40 UTC."
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            "The server answered 404 Not Found and asks to come back in 30 seconds. "
            f"Looking again at 2026-11-24 02:05:00 UTC, {until}",
        ),
        (
            "WARNING",
            f"Nobody listens: check the port. Looking again at 2026-11-24 02:10:00 UTC, {until}",
        ),
        (
            "INFO",
            "The server still has the file that was kept last. "
            f"Looking again at 2026-11-24 02:15:00 UTC, {until}",
        ),
    ]
