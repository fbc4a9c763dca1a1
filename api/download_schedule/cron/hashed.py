"""``H``: a value picked by the schedule's UID, so that many schedules spread over time.

The forms and their meaning are those of Jenkins' cron syntax. The day of month draws from 1-28
unless a range is given, so that the pick exists in every month.
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
    bounded,
    integer,
    split,
    value,
)

_FORM: Final = re.compile(r"H(?:\(([^()-]*)-([^()-]*)\))?(?:/([^/]*))?")
_LOOKS_HASHED: Final = re.compile(r"H(?:[(/].*)?", re.DOTALL)


def uses_hash(expression: str) -> bool:
    """Tell whether *expression* has an ``H`` to render."""
    return any(_LOOKS_HASHED.fullmatch(item) for item in re.split(r"[,\s]+", expression))


def render(expression: str, uid: str) -> str:
    """Return *expression*, single-spaced, with every ``H`` form replaced by concrete values.

    The pick depends on nothing but *uid* and the field, so it never moves. ``H`` and ``H(a-b)``
    become one value; with a step the first value is picked from the step's length, and the rest
    follow. An expression without ``H`` only has its spacing made single.

    Raises:
        CronError: an ``H`` is malformed or its range is out of bounds.
    """
    if not uses_hash(expression):
        return " ".join(split(expression)) if split(expression) else expression
    words = split(expression)
    if len(words) != len(FIELDS):
        raise CronError(advice.wrong_count(words))
    return " ".join(_render_field(f, word, uid) for f, word in zip(FIELDS, words, strict=True))


def _render_field(field: Field, text: str, uid: str) -> str:
    items = text.split(",")
    return ",".join(_render(field, i, uid) if _LOOKS_HASHED.fullmatch(i) else i for i in items)


def _render(field: Field, item: str, uid: str) -> str:
    form = _FORM.fullmatch(item)
    if form is None:
        raise CronError(
            f"{field.name}: {item!r} is malformed; write H, H(low-high), H/step or H(low-high)/step"
        )
    low, high = _range(field, form, item)
    if form[3] is None:
        return str(low + _pick(uid, field, high - low + 1))
    step = integer(field, form[3], item)
    if not 1 <= step <= high - low + 1:
        raise CronError(
            f"{field.name}: the step of {item!r} is {step}; write a step of 1-{high - low + 1}"
        )
    return f"{low + _pick(uid, field, step)}-{high}/{step}"


def _range(field: Field, form: re.Match[str], item: str) -> tuple[int, int]:
    if form[1] is None:
        return field.low, 28 if field is DAY_OF_MONTH else field.high
    low, high = value(field, form[1], item), value(field, form[2], item)
    bounded(field, low, high, item)
    return low, high


def _pick(uid: str, field: Field, count: int) -> int:
    digest = hashlib.sha256(f"{uid}/{field.name}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % count
