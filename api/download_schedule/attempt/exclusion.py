"""Days that a schedule leaves out.

A tick is judged by its date in the schedule's time zone. The worker decides whether its run ends at
once. The operator and the HTTP API look ahead with the same functions, as far as they know the
days. Standard library only, and loaded by those attempts alone whose schedule leaves out days.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, NamedTuple

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_CALENDAR_BYTES: Final = 64 * 1024
MAX_CALENDAR_DATES: Final = 1000
"""Dates and ranges in one ConfigMap."""

_LONGEST_ENTRY: Final = len("2026-12-24/2027-01-06")


class Exclusion(NamedTuple):
    """What a schedule leaves out. Dates are texts in ISO 8601, which sort as the days do."""

    time_zone: str
    """IANA name."""
    dates: tuple[str, ...] = ()
    """Each a date, or a range of both its ends, such as ``2026-12-24/2027-01-06``."""
    weekdays: tuple[str, ...] = ()
    """Some of :data:`WEEKDAYS`."""
    month_days: tuple[int, ...] = ()
    """1 to 31; -1 is the last day of the month."""
    calendar: str | None = None
    """Name of a ConfigMap with more dates."""


def find_reason(exclusion: Exclusion, day: date) -> str | None:
    """Return why *day* is left out, as a sentence; None if it is not.

    The calendar is not asked.
    """
    if entry := find_entry(exclusion.dates, day):
        within = f" ({entry})" if "/" in entry else ""
        return f"{day} is in exclude.dates{within}."
    weekday = WEEKDAYS[day.weekday()]
    if weekday in exclusion.weekdays:
        return f"{day} is a {day:%A}, and exclude.weekdays has {weekday}."
    if day.day in exclusion.month_days:
        return f"{day} is day {day.day} of its month, and exclude.monthDays has {day.day}."
    if -1 in exclusion.month_days and (day + timedelta(days=1)).day == 1:
        return f"{day} is the last day of its month, and exclude.monthDays has -1."
    return None


def find_entry(dates: Iterable[str], day: date) -> str | None:
    """Return the first of *dates* that is *day*, or a range with it; None if there is none."""
    text = day.isoformat()
    for entry in dates:
        first, _, last = entry.partition("/")
        if first <= text <= (last or first):
            return entry
    return None


def parse_calendar(text: str) -> tuple[str, ...]:
    """Return the dates in a calendar: one date or range a line, and comments behind ``#``.

    Raises:
        ValueError: the text is not a calendar. The sentence does not quote it, because its readers
            may have no right to read the ConfigMap.
    """
    if len(text.encode(errors="replace")) > MAX_CALENDAR_BYTES:
        raise ValueError(f"has more than {MAX_CALENDAR_BYTES} bytes; leave out what is over")
    lines = (line.partition("#")[0].strip() for line in text.split("\n"))
    entries = [(number, line) for number, line in enumerate(lines, 1) if line]
    if len(entries) > MAX_CALENDAR_DATES:
        raise ValueError(
            f"has more than {MAX_CALENDAR_DATES} dates; leave out those that are over, or write "
            "ranges"
        )
    for number, entry in entries:
        if not _is_valid(entry):
            raise ValueError(
                f"has a line that is neither a date nor a range, line {number}; write for example "
                "2026-12-25 or 2026-12-24/2027-01-06"
            )
    return tuple(entry for _, entry in entries)


def _is_valid(entry: str) -> bool:
    if len(entry) > _LONGEST_ENTRY:
        return False
    first, slash, last = entry.partition("/")
    days = (first, last) if slash else (first,)
    try:
        # Python also reads 20261225 and 2026-W52-5, which do not sort as texts.
        is_written_in_full = all(date.fromisoformat(day).isoformat() == day for day in days)
    except ValueError:
        return False
    return is_written_in_full and first <= days[-1]
