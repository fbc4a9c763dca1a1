"""Plain English for a schedule, from its values rather than its spelling."""

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
)
from download_schedule.cron.search import Bits

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MOST_TIMES: Final = 6
"""More times of day than this are told as minutes and hours, not one by one."""


def describe(bits: Bits) -> str:
    """Return when *bits* fires, such as ``every 5 minutes on Monday to Friday``."""
    parts = (_time(bits), _days(bits), _in_months(bits))
    return " ".join(part for part in parts if part)


def _time(bits: Bits) -> str:
    minutes, hours = _values(MINUTE, bits.minute), _values(HOUR, bits.hour)
    if len(hours) == 24:
        return _every(minutes, 60, "minute") or _past(minutes, "every hour")
    if len(minutes) * len(hours) <= _MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour, minute in product(hours, minutes)]
        return f"at {_join(times)}"
    within = f"{_spans(hours, [f'{hour:02}' for hour in range(24)])} o'clock"
    if minutes == [0]:
        return _every(hours, 24, "hour") or f"at {within}"
    frequent = _every(minutes, 60, "minute")
    noun = "hour" if len(hours) == 1 else "hours"
    return f"{frequent} within the {noun} of {within}" if frequent else _past(minutes, within)


def _every(values: Sequence[int], cycle: int, unit: str) -> str:
    """Return ``every 5 minutes`` where *values* divide the *cycle* evenly from 0, else nothing."""
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
    """Join the names of *values*, three or more neighbours as ``first to last``."""
    spans: list[list[int]] = []
    for number in values:
        if spans and spans[-1][-1] == number - 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    texts: list[str] = []
    for span in spans:
        if len(span) > 2:
            texts.append(f"{names[span[0]]} to {names[span[-1]]}")
        else:
            texts.extend(names[number] for number in span)
    return _join(texts)


def _join(texts: Sequence[str]) -> str:
    return " and ".join(text for text in (", ".join(texts[:-1]), texts[-1]) if text)
