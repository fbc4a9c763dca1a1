"""Reading one field of a cron expression, as Kubernetes does.

A port of ``getField``, ``getRange`` and ``mustParseInt`` of github.com/robfig/cron v3.0.1,
parser.go, which is what the API server and the CronJob controller call. Every oddity below (a
list of nothing but commas, text after ``*-`` that nobody looks at) is robfig's.
"""

import re
from dataclasses import dataclass
from typing import Final

from download_schedule.cron import advice
from download_schedule.cron.errors import CronError

STAR: Final = 1 << 63
"""Bit beside the values of a field: an unstepped ``*`` or ``?`` stood in it."""

_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORDS: Final = re.compile(f"[^{_SPACE}]+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_MAX_INT64: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five positions: its name in messages, its bounds, its words from *low* on."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may stand in the field, for the end of a message."""
        words = f" or {self.words[0]}-{self.words[-1]}" if self.words else ""
        return f"{self.low}-{self.high}{words}"


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun",
                  "jul", "aug", "sep", "oct", "nov", "dec")  # fmt: skip
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

MINUTE: Final = Field("minute", 0, 59)
HOUR: Final = Field("hour", 0, 23)
DAY_OF_MONTH: Final = Field("day of month", 1, 31)
MONTH: Final = Field("month", 1, 12, _MONTHS)
DAY_OF_WEEK: Final = Field("day of week", 0, 6, _DAYS)
FIELDS: Final = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def split(expression: str) -> list[str]:
    """Split at white space as Go's ``strings.Fields`` does (Python's ``split`` takes more)."""
    return _WORDS.findall(expression)


def read(field: Field, text: str) -> int:
    """Return the values that *text* names as bits, and :data:`STAR`.

    Raises:
        CronError: Kubernetes would refuse it.
    """
    bits = 0
    for item in text.split(","):
        if item:
            bits |= _item(field, item)
    return bits


def value(field: Field, text: str, item: str) -> int:
    """Return the number or word *text*, a part of *item*, not yet held against the bounds."""
    # Go lowers U+0130 to a plain i; Python to an i and a combining dot.
    word = text.replace("\u0130", "i").lower()
    return (
        field.low + field.words.index(word) if word in field.words else integer(field, text, item)
    )


def integer(field: Field, text: str, item: str) -> int:
    """Read a number as Go's ``strconv.Atoi``, then refuse what is below zero."""
    if not _INTEGER.fullmatch(text) or not 0 <= (number := int(text)) <= _MAX_INT64:
        raise CronError(advice.not_a_number(field.name, field.allowed, text, item))
    return number


def bounded(field: Field, start: int, end: int, item: str) -> None:
    """Refuse the range from *start* to *end* unless it ascends within the field's bounds."""
    if min(start, end) < field.low or max(start, end) > field.high:
        raise CronError(advice.out_of_bounds(field.name, field.allowed, start, end, item))
    if start > end:
        raise CronError(advice.descending(field.name, field.low, field.high, start, end, item))


def _item(field: Field, item: str) -> int:
    span, *steps = item.split("/")
    first, *rest = span.split("-")
    if len(steps) > 1:
        raise CronError(f"{field.name}: {item!r} has more than one slash; write one step")
    star = first in ("*", "?")
    if star:
        start, end = field.low, field.high
    elif len(rest) > 1:
        raise CronError(
            f"{field.name}: {item!r} has more than one hyphen; write a range as low-high"
        )
    else:
        start = value(field, first, item)
        end = value(field, rest[0], item) if rest else start
    step = integer(field, steps[0], item) if steps else 1
    if steps and not rest and not star:
        end = field.high
    bounded(field, start, end, item)
    if step == 0:
        raise CronError(f"{field.name}: the step of {item!r} is 0; write a step of 1 or more")
    bits = sum(1 << number for number in range(start, end + 1, step))
    return bits | STAR if star and step == 1 else bits
