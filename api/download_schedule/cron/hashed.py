"""``H``: a value derived from the schedule's UID, so that many schedules spread over time.

The forms and their meaning are those of Jenkins' cron syntax. Without a range, the day of month is
chosen from 1-28, so that it exists in every month.
"""

import hashlib
import re
from typing import Final

from download_schedule.cron import advice
from download_schedule.cron.errors import CronError
from download_schedule.cron.fields import (
    DAY_OF_MONTH,
    FIELDS,
    Field,
    check_range,
    parse_integer,
    parse_value,
    split_fields,
)

_FORM: Final = re.compile(r"H(?:\(([^()-]*)-([^()-]*)\))?(?:/([^/]*))?")
_LOOKS_HASHED: Final = re.compile(r"H(?:[(/].*)?", re.DOTALL)


def has_hash(expression: str) -> bool:
    """Return whether *expression* has an ``H`` to replace."""
    return any(_LOOKS_HASHED.fullmatch(item) for item in re.split(r"[,\s]+", expression))


def render(expression: str, uid: str) -> str:
    """Return *expression* with single spaces and a concrete value for every ``H``.

    A value depends only on *uid* and the field, so it never changes. ``H`` and ``H(a-b)`` become
    one value. With a step, the first value is chosen from one step's length, and the others follow
    at that step.

    Raises:
        CronError: an ``H`` is malformed or its range is out of bounds.
    """
    words = split_fields(expression)
    if not has_hash(expression):
        return " ".join(words) if words else expression
    if len(words) != len(FIELDS):
        raise CronError(advice.explain_field_count(words))
    return " ".join(_render_field(f, word, uid) for f, word in zip(FIELDS, words, strict=True))


def _render_field(field: Field, text: str, uid: str) -> str:
    items = text.split(",")
    return ",".join(_render_item(field, i, uid) if _LOOKS_HASHED.fullmatch(i) else i for i in items)


def _render_item(field: Field, item: str, uid: str) -> str:
    form = _FORM.fullmatch(item)
    if form is None:
        raise CronError(
            f"{field.name}: {item!r} is malformed; write H, H(low-high), H/step or H(low-high)/step"
        )
    low, high = _range(field, form, item)
    if form[3] is None:
        return str(low + _hash(uid, field, high - low + 1))
    step = parse_integer(field, form[3], item)
    if not 1 <= step <= high - low + 1:
        raise CronError(
            f"{field.name}: the step of {item!r} is {step}; write a step of 1-{high - low + 1}"
        )
    return f"{low + _hash(uid, field, step)}-{high}/{step}"


def _range(field: Field, form: re.Match[str], item: str) -> tuple[int, int]:
    if form[1] is None:
        return field.low, 28 if field is DAY_OF_MONTH else field.high
    low, high = parse_value(field, form[1], item), parse_value(field, form[2], item)
    check_range(field, low, high, item)
    return low, high


def _hash(uid: str, field: Field, count: int) -> int:
    """Return a number from 0 to *count* - 1."""
    digest = hashlib.sha256(f"{uid}/{field.name}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % count
