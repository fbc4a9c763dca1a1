"""Retries of writes to a schedule that somebody else wrote at the same moment."""

from typing import Final

from download_api.problems.problem import schedule_not_found
from download_kube.errors import ApiError

MAX_ATTEMPTS: Final = 5
"""Conflicts are common: the operator writes the status when a run starts and when it ends."""


class ConflictRetries:
    """Counts the attempts at one write: read the schedule, change it, write it, repeat."""

    def __init__(self) -> None:
        self._attempts_left = MAX_ATTEMPTS

    def spend(self, error: ApiError) -> None:
        """Return only if the write failed because of a conflict and can be attempted again.

        Raises:
            ProblemError: 404, the schedule was deleted since it was read.
            ApiError: *error*, if it is not a conflict or this was the last attempt.
        """
        self._attempts_left -= 1
        if error.is_not_found:
            raise schedule_not_found() from error
        if not error.is_conflict or not self._attempts_left:
            raise error
