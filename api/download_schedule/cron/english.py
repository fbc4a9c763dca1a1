"""A description of a cron expression in plain English, from its values and not its spelling."""

from collections.abc import Sequence
from itertools import product
from typing import Final

from download_schedule.cron.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    STAR,
    Field,
    split_into_runs,
)
from download_schedule.cron.search import Bits

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MAX_TIMES: Final = 6
"""Times of day listed one by one; more are described as minutes and hours."""


def describe(bits: Bits) -> str:
    """Return when *bits* fire, such as ``every 5 minutes on Monday to Friday``."""
    parts = (_times(bits), _days(bits), _in_months(bits))
    return " ".join(part for part in parts if part)


def _times(bits: Bits) -> str:
    minutes, hours = _values(MINUTE, bits.minute), _values(HOUR, bits.hour)
    if len(hours) == 24:
        return _every(minutes, 60, "minute") or _past(minutes, "every hour")
    if len(minutes) * len(hours) <= _MAX_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour, minute in product(hours, minutes)]
        return f"at {_join(times)}"
    oclock = f"{_spans(hours, [f'{hour:02}' for hour in range(24)])} o'clock"
    if minutes == [0]:
        return _every(hours, 24, "hour") or f"at {oclock}"
    frequent = _every(minutes, 60, "minute")
    noun = "hour" if len(hours) == 1 else "hours"
    return f"{frequent} within the {noun} of {oclock}" if frequent else _past(minutes, oclock)


def _every(values: Sequence[int], cycle: int, unit: str) -> str:
    """Return ``every 5 minutes`` if *values* divide *cycle* evenly from 0, or an empty text."""
    step = cycle // len(values)
    if list(values) != list(range(0, cycle, step)) or cycle % step or step == cycle:
        return ""
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _past(minutes: Sequence[int], hours: str) -> str:
    if list(minutes) == [0]:
        return f"at the start of {hours}"
    noun = "minute" if list(minutes) == [1] else "minutes"
    return f"at {_spans(minutes, [str(n) for n in range(60)])} {noun} past {hours}"


def _days(bits: Bits) -> str:
    of_month, of_week = _day_of_month(bits), _day_of_week(bits)
    if (bits.day_of_month | bits.day_of_week) & STAR:
        return of_month or of_week or "every day"
    if len(_values(DAY_OF_MONTH, bits.day_of_month)) == 31 or not (of_month or of_week):
        return "every day"
    if len(_values(DAY_OF_WEEK, bits.day_of_week)) == 7:
        return "every day"
    return " or ".join(part for part in (of_month, of_week) if part)


def _day_of_month(bits: Bits) -> str:
    days = _values(DAY_OF_MONTH, bits.day_of_month)
    if len(days) in (0, 31):
        return ""
    noun = "day" if len(days) == 1 else "days"
    return f"on {noun} {_spans(days, [str(n) for n in range(32)])} of the month"


def _day_of_week(bits: Bits) -> str:
    days = _values(DAY_OF_WEEK, bits.day_of_week)
    return "" if len(days) in (0, 7) else f"on {_spans(days, _DAYS)}"


def _in_months(bits: Bits) -> str:
    months = _values(MONTH, bits.month)
    return "" if len(months) == 12 else f"in {_spans(months, ('', *_MONTHS))}"


def _values(field: Field, bits: int) -> list[int]:
    return [n for n in range(field.low, field.high + 1) if bits >> n & 1]


def _spans(values: Sequence[int], names: Sequence[str]) -> str:
    """Join the names of *values*, and write three or more neighbours as ``first to last``."""
    texts: list[str] = []
    for first, *rest in split_into_runs(values):
        if len(rest) > 1:
            texts.append(f"{names[first]} to {names[rest[-1]]}")
        else:
            texts.extend(names[value] for value in (first, *rest))
    return _join(texts)


def _join(texts: Sequence[str]) -> str:
    return " and ".join(text for text in (", ".join(texts[:-1]), texts[-1]) if text)
