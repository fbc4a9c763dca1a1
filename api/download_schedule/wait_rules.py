"""The rules on `waitFor`, as the API server and Python apply them."""

from typing import Final

from download_schedule.attempt.task import Until
from download_schedule.validation import Rule

DOWNLOAD_ROOM_SECONDS: Final = 60
"""What `activeDeadlineSeconds` leaves at least to fetch a file that the last look finds."""

STATUS: Final = Rule(
    "a status that means that the file is not there yet is 202 or 400 to 599; other statuses bring "
    "the file or lead to it, so leave them out",
    "self == 202 || self >= 400 && self <= 599",
    lambda status: status == 202 or 400 <= status <= 599,
)

SECONDS_IN_ORDER: Final = Rule(
    "waitFor.everySeconds must not be greater than atMostSeconds; write a smaller everySeconds",
    "self.everySeconds <= self.atMostSeconds",
    lambda wait_for: wait_for.every_seconds <= wait_for.at_most_seconds,
)

SPEC: Final = (
    Rule(
        "waitFor leaves no time for the download; write an activeDeadlineSeconds that is greater "
        f"than waitFor.atMostSeconds by at least {DOWNLOAD_ROOM_SECONDS}",
        "!has(self.waitFor) || "
        f"self.waitFor.atMostSeconds + {DOWNLOAD_ROOM_SECONDS} <= self.activeDeadlineSeconds",
        lambda spec: (
            spec.wait_for is None
            or spec.wait_for.at_most_seconds + DOWNLOAD_ROOM_SECONDS <= spec.active_deadline_seconds
        ),
    ),
    Rule(
        "waitFor needs a destination that knows its last file; write destination.volume, or "
        "until: Exists",
        "!has(self.waitFor) || self.waitFor.until != 'Changed' "
        "|| has(self.destination) && has(self.destination.volume)",
        lambda spec: (
            spec.wait_for is None
            or spec.wait_for.until is not Until.CHANGED
            or bool(spec.destination.volume)
        ),
    ),
)
