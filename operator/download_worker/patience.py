"""Wait in the Pod where a server asks for it, or for a file that is late."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from download_worker.errors import DownloadError, StoppedError, in_seconds, status_words

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS: Final = 15 * 60
"""Seconds that an attempt waits in total."""
MAX_WAITS: Final = 5
"""Waits of an attempt. A server that asks for more of them is left to the next attempt."""
POLL_SECONDS: Final = 0.5
"""Longest time between two looks at the stop flag."""

T = TypeVar("T")
LookAgain = Callable[[DownloadError, datetime], datetime | None]
"""Returns when to look again for a file that is late; None: the schedule does not wait for this.

Raises:
    DownloadError: the wait is over.
"""


class ComeBackLaterError(DownloadError):
    """The server asks for a longer wait than fits into the run, so that no retry can help."""

    @property
    def permanent(self) -> bool:
        """True: another attempt of the same run would come too early."""
        return True


def choose_wait(
    error: DownloadError, *, waits: int, waited: int, now: datetime, deadline: datetime | None
) -> int:
    """Return how many seconds to wait before the server is asked again.

    Args:
        error: how it answered.
        waits: number of earlier waits.
        waited: seconds of all of them.
        now: the present.
        deadline: end of the run; None: it has none.

    Raises:
        DownloadError: *error* itself if the server asks for no wait, or has done so too often; or
            one that says when to come back, if the wait does not fit.
    """
    seconds = error.retry_after
    if seconds is None or waits >= MAX_WAITS:
        raise error
    until = now + timedelta(seconds=seconds)
    if waited + seconds > MAX_WAIT_SECONDS:
        advice = f"a run waits for {MAX_WAIT_SECONDS} seconds at most, so start another one then"
    elif deadline is not None and until >= deadline:
        advice = "the run has to end before that, so raise activeDeadlineSeconds"
    else:
        return seconds
    raise ComeBackLaterError(
        error.reason,
        f"The server answered {status_words(error.status)} and asks to come back in "
        f"{in_seconds(seconds)}, at {until:%Y-%m-%d %H:%M:%S} UTC: {advice}.",
        error.status,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def never_look_again(_error: DownloadError, _now: datetime) -> datetime | None:
    """Return None: the schedule does not wait for files."""
    return None


def ask_patiently(
    ask: Callable[[], T],
    *,
    deadline: datetime | None,
    stopped: Callable[[], bool],
    look_again: LookAgain = never_look_again,
    now: Callable[[], datetime] = _utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return what *ask* returns; call it again after each wait.

    Nothing is held while it waits: *ask* has closed its connections and files.

    Args:
        ask: makes the whole attempt.
        deadline: end of the run; None: it has none.
        stopped: whether to give up.
        look_again: decides about a file that is late, before a server's own wish counts.
        now: returns the present.
        sleep: waits for some seconds.

    Raises:
        DownloadError: the attempt failed, and is not worth a wait.
    """
    waits: list[int] = []
    while True:
        try:
            return ask()
        except DownloadError as error:
            present = now()
            until = look_again(error, present)
            if until is None:
                seconds = choose_wait(
                    error, waits=len(waits), waited=sum(waits), now=present, deadline=deadline
                )
                log.warning("%s Waiting for %s.", error, in_seconds(seconds))
                waits.append(seconds)
                until = present + timedelta(seconds=seconds)
        _sleep(until, stopped, now, sleep)


def _sleep(
    until: datetime,
    stopped: Callable[[], bool],
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    while (left := (until - now()).total_seconds()) > 0:
        if stopped():
            raise StoppedError
        sleep(min(left, POLL_SECONDS))
