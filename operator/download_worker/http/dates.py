"""Read the dates of HTTP headers (RFC 9110, 5.6.7)."""

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTH: Final = rf"(?P<month>{_MONTHS})"
_TIME: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY_NAME: Final = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY_NAME: Final = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_ZONE: Final = r"(?:GMT|UTC|\+0000)"
"""The first is the standard's; some servers write the others and mean the same."""
_FORMATS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_DAY_NAME}, (?P<day>[0-9]{{1,2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} {_ZONE}",
        rf"{_LONG_DAY_NAME}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} {_ZONE}",
        rf"{_DAY_NAME} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
"""IMF-fixdate, and the formats of RFC 850 and of C's asctime, which a recipient has to accept."""
_FIRST_SHORT_YEAR: Final = 70
"""From here on, two digits are a year of the last century, as POSIX has it."""


def parse_date(text: str) -> datetime | None:
    """Return the moment that *text* names; None if it is not a date of HTTP."""
    for date_format in _FORMATS:
        if match := date_format.fullmatch(text.strip()):
            return _moment(match)
    return None


def _moment(match: re.Match[str]) -> datetime | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= _FIRST_SHORT_YEAR else 2000
    month = _MONTHS.split("|").index(match["month"].lower()) + 1
    day, hour, minute = int(match["day"]), int(match["hour"]), int(match["minute"])
    second = 59 if match["second"] == "60" else int(match["second"])  # a leap second
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # such as the 30th of February
        return None
