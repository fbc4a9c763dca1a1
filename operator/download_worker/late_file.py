"""When to look again for a file that is late. Only an attempt that waits loads this module.

The wait is over when the server begins to send the file. From then on, whatever fails is an
ordinary failure.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from download_schedule.attempt.task import WaitFor
from download_worker.errors import (
    RETRIED_STATUSES,
    DownloadError,
    Reason,
    in_seconds,
    status_words,
)

log = logging.getLogger(__name__)

_UNREACHABLE: Final = frozenset(
    {
        Reason.CONNECTION_FAILED,
        Reason.CONNECT_TIMEOUT,
        Reason.HOST_NOT_FOUND,
        Reason.TLS_FAILED,
    }
)
_NO_RESPONSE: Final = frozenset({Reason.BAD_RESPONSE, Reason.CONNECTION_LOST, Reason.STALLED})
"""Failures that say nothing about the file if they come before a status."""


class LateFile:
    """The looks of one attempt.

    Args:
        wait_for: how long to wait, and for what.
        tick: the time from which the wait counts.
    """

    def __init__(self, wait_for: WaitFor, tick: datetime) -> None:
        self._pause = timedelta(seconds=wait_for.every_seconds)
        self._ends_at = tick + timedelta(seconds=wait_for.at_most_seconds)
        self._statuses = wait_for.statuses

    def next_look(self, error: DownloadError, now: datetime) -> datetime | None:
        """Return when to look again; None: *error* ends the wait, and is treated as without one.

        A look never comes before the time for which the server asks. The last one is at the end of
        the wait, also if that is sooner than the pause.

        Args:
            error: what came of the last look.
            now: the present.

        Raises:
            DownloadError: the wait is over, and the file is not there yet.
        """
        is_late = self._says_not_yet(error)
        if not is_late and not _says_nothing(error):
            return None
        look = min(now + self._pause, self._ends_at)
        if error.retry_after is not None:
            look = max(look, now + timedelta(seconds=error.retry_after))
        if now < self._ends_at and look <= self._ends_at:
            log.log(
                logging.INFO if is_late else logging.WARNING,
                "%s%s. Looking again at %s, and until %s.",
                _in_words(error),
                _asked_wait(error),
                _utc(look),
                _utc(self._ends_at),
            )
            return look
        if is_late:
            raise self._not_yet(error, now)
        return None

    def _says_not_yet(self, error: DownloadError) -> bool:
        """Return whether the file is not there, or has not changed."""
        if error.reason is Reason.HTTP_STATUS:
            return error.status in self._statuses
        return error.reason is Reason.NOT_YET

    def _not_yet(self, error: DownloadError, now: datetime) -> DownloadError:
        words = f"{_in_words(error)}, and the wait"
        advice = "raise waitFor.atMostSeconds"
        if error.retry_after is not None:
            then = now + timedelta(seconds=error.retry_after)
            words = f"{_in_words(error)} and asks to come back at {_utc(then)}, but the wait"
            advice = "start another run then"
        elif error.reason is Reason.HTTP_STATUS:
            advice += ", or correct the url"
        message = f"{words} for the file ends at {_utc(self._ends_at)}: {advice}."
        return DownloadError(Reason.NOT_YET, message, error.status)


def _says_nothing(error: DownloadError) -> bool:
    """Return whether a look failed before the server could say whether it has the file."""
    if error.reason is Reason.HTTP_STATUS:
        return error.status in RETRIED_STATUSES
    return error.reason in _UNREACHABLE or (error.reason in _NO_RESPONSE and error.status is None)


def _in_words(error: DownloadError) -> str:
    """Return what came of a look, without advice for those who do not wait."""
    if error.reason is Reason.HTTP_STATUS:
        return f"The server answered {status_words(error.status)}"
    return str(error).rstrip(".")


def _asked_wait(error: DownloadError) -> str:
    seconds = error.retry_after
    return f" and asks to come back in {in_seconds(seconds)}" if seconds else ""


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
