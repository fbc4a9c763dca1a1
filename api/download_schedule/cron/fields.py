"""Parsing one field of a cron expression, as Kubernetes does.

A port of ``getField``, ``getRange`` and ``mustParseInt`` of github.com/robfig/cron v3.0.1,
parser.go, which the API server and the CronJob controller call. Every oddity below is robfig's:
a list of nothing but commas is accepted, and so is any text after ``*-``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from download_schedule.cron import advice
from download_schedule.cron.errors import CronError

STAR: Final = 1 << 63
"""Bit set beside the values of a field that contains a ``*`` or ``?`` without a step."""

_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORDS: Final = re.compile(f"[^{_SPACE}]+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_MAX_INT64: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five positions: its name in messages, its bounds, and its words from *low* on."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The values that the field takes, for the end of a message."""
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


def split_fields(expression: str) -> list[str]:
    """Split at white space as Go's ``strings.Fields`` does (Python's ``split`` takes more)."""
    return _WORDS.findall(expression)


def parse_field(field: Field, text: str) -> int:
    """Return the values that *text* names as bits, with :data:`STAR` where it applies.

    Raises:
        CronError: Kubernetes would refuse it.
    """
    bits = 0
    for item in text.split(","):
        if item:
            bits |= _parse_item(field, item)
    return bits


def parse_value(field: Field, text: str, item: str) -> int:
    """Return the number or word *text*, a part of *item*, without checking the field's bounds.

    Raises:
        CronError: it is neither a number nor a word of the field.
    """
    # Go lowers U+0130 to a plain i; Python to an i and a combining dot.
    word = text.replace("\u0130", "i").lower()
    if word in field.words:
        return field.low + field.words.index(word)
    return parse_integer(field, text, item)


def parse_integer(field: Field, text: str, item: str) -> int:
    """Parse a number as Go's ``strconv.Atoi`` does, then refuse a negative one.

    Raises:
        CronError: it is not a number from 0 to 2**63-1.
    """
    if not _INTEGER.fullmatch(text) or not 0 <= (number := int(text)) <= _MAX_INT64:
        raise CronError(advice.explain_bad_value(field.name, field.allowed, text, item))
    return number


def check_range(field: Field, start: int, end: int, item: str) -> None:
    """Refuse the range from *start* to *end* unless it ascends within the field's bounds.

    Raises:
        CronError: it does not.
    """
    if min(start, end) < field.low or max(start, end) > field.high:
        raise CronError(advice.explain_out_of_bounds(field.name, field.allowed, start, end, item))
    if start > end:
        raise CronError(
            advice.explain_descending_range(field.name, field.low, field.high, start, end, item)
        )


def split_into_runs(values: Iterable[int]) -> list[list[int]]:
    """Return *values*, which ascend, as runs of neighbours: 0, 5, 6 as ``[[0], [5, 6]]``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return runs


def _parse_item(field: Field, item: str) -> int:
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
        start = parse_value(field, first, item)
        end = parse_value(field, rest[0], item) if rest else start
    step = parse_integer(field, steps[0], item) if steps else 1
    if steps and not rest and not star:
        end = field.high
    check_range(field, start, end, item)
    if step == 0:
        raise CronError(f"{field.name}: the step of {item!r} is 0; write a step of 1 or more")
    bits = sum(1 << number for number in range(start, end + 1, step))
    return bits | STAR if star and step == 1 else bits
