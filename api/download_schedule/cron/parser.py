"""Parsing a cron expression: what Kubernetes accepts, minus what it would never run."""

from functools import lru_cache
from typing import Final

from download_schedule.cron import advice, hashed, zones
from download_schedule.cron.errors import CronError
from download_schedule.cron.fields import FIELDS, STAR, parse_field, split_fields
from download_schedule.cron.schedule import CronSchedule
from download_schedule.cron.search import Bits

MAX_LENGTH: Final = 1024
"""Longest expression accepted, in characters. This limit is ours, not that of Kubernetes."""

DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""The descriptors, and the five fields that robfig's ``parseDescriptor`` builds for each."""

_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""In a leap year."""


def parse(expression: str, time_zone: str = "Etc/UTC", *, uid: str | None = None) -> CronSchedule:
    """Parse *expression* exactly as Kubernetes would, in the IANA zone *time_zone*.

    :func:`.render` derives the value of an ``H`` from *uid*; other expressions do not need it.

    Raises:
        CronError: Kubernetes would refuse the expression or the zone, or it is one that we refuse:
            ``@every``, more than :data:`MAX_LENGTH` characters, or one that never fires.
    """
    if len(expression) > MAX_LENGTH:
        raise CronError(
            f"the expression has {len(expression)} characters; write at most {MAX_LENGTH}"
        )
    if hashed.has_hash(expression):
        if uid is None:
            raise CronError(f"{expression!r} has an H, which needs a UID; write a value instead")
        expression = hashed.render(expression, uid)
    return parse_rendered(expression, time_zone)


@lru_cache(maxsize=16_384)
def parse_rendered(expression: str, time_zone: str) -> CronSchedule:
    """Parse an expression without ``H``, from a cache: many schedules share the same expression.

    Raises:
        CronError: as in :func:`parse`.
    """
    zone = zones.load(time_zone)
    bits = _parse_fields(expression)
    _refuse_if_never(expression, bits)
    return CronSchedule(" ".join(split_fields(expression)), time_zone, bits, zone)


def _parse_fields(expression: str) -> Bits:
    if "TZ" in expression:  # as ValidateCronJobSpec does, pkg/apis/batch/validation in Kubernetes
        raise CronError(f"{expression!r} names a time zone; write it in timeZone instead")
    if expression.startswith("@") and expression not in DESCRIPTORS:
        raise CronError(advice.explain_descriptor(expression, tuple(DESCRIPTORS)))
    words = split_fields(DESCRIPTORS.get(expression, expression))
    if len(words) == 1 and words[0].startswith("@"):
        raise CronError(advice.explain_descriptor(expression, tuple(DESCRIPTORS)))
    if len(words) != len(FIELDS):
        raise CronError(advice.explain_field_count(words))
    return Bits(*(parse_field(field, word) for field, word in zip(FIELDS, words, strict=True)))


def _refuse_if_never(expression: str, bits: Bits) -> None:
    """Refuse what Kubernetes accepts but never runs, such as 31 February or a lone comma."""
    for name, values in (("minute", bits.minute), ("hour", bits.hour), ("month", bits.month)):
        if not values:
            raise CronError(f"{name}: the list is empty; write at least one value")
    month_has_day, week_has_day = _has_existing_day(bits), bool(bits.day_of_week & ~STAR)
    if (bits.day_of_month | bits.day_of_week) & STAR:
        fires = month_has_day and week_has_day
    else:
        fires = month_has_day or week_has_day
    if not fires:
        raise CronError(
            f"{expression!r} names no day that exists, so it would never fire; write one"
        )


def _has_existing_day(bits: Bits) -> bool:
    return any(
        bits.month >> month & 1 and bits.day_of_month & ((2 << days) - 2)
        for month, days in enumerate(_DAYS_IN_MONTH, 1)
    )
