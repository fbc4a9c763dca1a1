"""Whether the day of a run's tick is left out. Only an attempt that leaves out days loads this."""

from collections.abc import Mapping
from datetime import date, datetime

from download_schedule.attempt.exclusion import Exclusion, find_entry, find_reason, parse_calendar
from download_schedule.attempt.variables import CALENDAR_KEY, CALENDAR_VARIABLE
from download_worker.errors import DownloadError, Reason
from download_worker.zones import load_zone


def why_excluded(
    exclusion: Exclusion, tick: datetime, environment: Mapping[str, str]
) -> str | None:
    """Return why the run of *tick* is to be skipped, as a sentence; None if it is not.

    Raises:
        ValueError: the time zone is unknown.
        DownloadError: the calendar is missing or malformed. Nobody knows whether to download.
    """
    day = tick.astimezone(load_zone(exclusion.time_zone)).date()
    return find_reason(exclusion, day) or (
        _ask_calendar(exclusion.calendar, day, environment.get(CALENDAR_VARIABLE))
        if exclusion.calendar
        else None
    )


def _ask_calendar(name: str, day: date, text: str | None) -> str | None:
    if text is None:
        raise _invalid(name, "does not exist; create it, or correct exclude.calendarRef")
    try:
        entry = find_entry(parse_calendar(text), day)
    except ValueError as error:
        raise _invalid(name, str(error)) from None
    return f"{day} is in the ConfigMap {name}, which exclude.calendarRef names." if entry else None


def _invalid(name: str, cause: str) -> DownloadError:
    return DownloadError(
        Reason.INVALID_CALENDAR, f"The key {CALENDAR_KEY} of the ConfigMap {name} {cause}."
    )
