"""Schedules: what an expression in a time zone means."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from download_schedule.cron import advice, english, hashed, zones
from download_schedule.cron.errors import CronError
from download_schedule.cron.fields import FIELDS, STAR, read, split
from download_schedule.cron.search import YEARS, Bits, next_tick

MAX_LENGTH: Final = 1024
"""Longest expression accepted, in characters. A limit of ours, not of Kubernetes."""

DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""The descriptors and the five fields that robfig's ``parseDescriptor`` builds for each."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_EARLIEST: Final = datetime(10, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9990, 1, 1, tzinfo=UTC)
_SEARCHED: Final = 366 * YEARS * 86_400
_PERIOD_TICKS: Final = 32
_QUARTER: Final = 15 * 60
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Schedule:
    """An expression as Kubernetes reads it, in one time zone. Made by :func:`parse`.

    All moments are aware datetimes from the year 10 to 9989; others raise ValueError. Ticks are
    aware, in UTC.
    """

    expression: str
    """Five fields, or a descriptor such as ``@daily``, single-spaced, without ``H``."""
    time_zone: str
    """IANA name."""
    _bits: Bits = field(repr=False, compare=False)
    _zone: ZoneInfo = field(repr=False, compare=False)

    def next(self, after: datetime) -> datetime | None:
        """Return the first tick strictly after *after*.

        What Kubernetes would compute, even where that is wrong: in a few zones such as
        Pacific/Chatham it leads back, within the hour that repeats when clocks are set back.
        None if there is none up to the end of the fifth year after that of *after*; of the
        expressions that :func:`parse` accepts, only 29 February around a year such as 2100.
        """
        tick = self._next(_floor(after))
        return None if tick is None else _moment(tick)

    def upcoming(self, after: datetime) -> datetime | None:
        """Return what :meth:`next` leads to, but never back: the first tick it has ahead."""
        tick = self._upcoming(_floor(after))
        return None if tick is None else _moment(tick)

    def previous(self, before: datetime) -> datetime | None:
        """Return the last tick strictly before *before*, or None if five years hold none.

        It is a tick from which :meth:`next` leads to *before* or beyond, or back: where a
        controller that steps from tick to tick has been last.
        """
        tick = self._previous(_ceiling(before))
        return None if tick is None else _moment(tick)

    def between(self, start: datetime, end: datetime, limit: int) -> list[datetime]:
        """Return at most *limit* ticks after *start*, up to and including *end*, oldest first.

        Each is :meth:`upcoming` after the one before.
        """
        last = _floor(end)
        within = takewhile(lambda tick: tick <= last, self._ticks(_floor(start)))
        return [_moment(tick) for tick in islice(within, max(limit, 0))]

    def period(self, after: datetime) -> timedelta:
        """Return the shortest gap between neighbours among the next 32 ticks after *after*.

        Five years (of 366 days) where fewer than two ticks follow.
        """
        ticks = islice(self._ticks(_floor(after)), _PERIOD_TICKS)
        gaps = (later - earlier for earlier, later in pairwise(ticks))
        return timedelta(seconds=min(gaps, default=_SEARCHED))

    def describe(self) -> str:
        """Return the schedule in plain English, such as ``at 02:00 every day, Etc/UTC time``."""
        return f"{english.describe(self._bits)}, {self.time_zone} time"

    def _next(self, seconds: int) -> int | None:
        return next_tick(self._bits, self._zone, seconds)

    def _ticks(self, after: int) -> Iterator[int]:
        while (tick := self._upcoming(after)) is not None:
            yield tick
            after = tick

    def _upcoming(self, after: int) -> int | None:
        start = after
        while (tick := self._next(start)) is not None and tick <= after:
            start += _QUARTER  # out of the repeated hour in which it leads back
        return tick

    def _previous(self, before: int) -> int | None:
        """Find a stretch before *before* that holds a tick, then halve it towards its end."""
        span, tick = 60, None
        while tick is None and span < 8 * _SEARCHED:
            tick = self._next_before(before - min(span, _SEARCHED), before)
            span *= 8
        end = before
        while tick is not None and (following := self._next_before(tick, before)) is not None:
            middle = max(following, (following + end) // 2)
            later = self._next_before(middle, before)
            tick, end = (following, middle) if later is None else (later, end)
        return tick

    def _next_before(self, after: int, before: int) -> int | None:
        tick = self._upcoming(after)
        return tick if tick is not None and tick < before else None


def parse(expression: str, time_zone: str = "Etc/UTC", *, uid: str | None = None) -> Schedule:
    """Read *expression* exactly as Kubernetes would in the IANA zone *time_zone*.

    *uid* is what :func:`render` picks by; it is needed only where the expression has an ``H``.

    Raises:
        CronError: Kubernetes would refuse the expression or the zone; or we do: ``@every``, more
            than :data:`MAX_LENGTH` characters, an expression that never fires.
    """
    if len(expression) > MAX_LENGTH:
        raise CronError(
            f"the expression has {len(expression)} characters; write at most {MAX_LENGTH}"
        )
    if hashed.uses_hash(expression):
        if uid is None:
            raise CronError(f"{expression!r} has an H, which needs a UID; write a value instead")
        expression = hashed.render(expression, uid)
    return parse_rendered(expression, time_zone)


@lru_cache(maxsize=16_384)
def parse_rendered(expression: str, time_zone: str) -> Schedule:
    """Do :func:`parse` for an expression without ``H``, which most schedules share with others.

    Raises:
        CronError: as for :func:`parse`.
    """
    zone = zones.load(time_zone)
    bits = _read(expression)
    _refuse_if_never(expression, bits)
    return Schedule(" ".join(split(expression)), time_zone, bits, zone)


def _read(expression: str) -> Bits:
    if "TZ" in expression:  # as ValidateCronJobSpec does, pkg/apis/batch/validation in Kubernetes
        raise CronError(f"{expression!r} names a time zone; write it in timeZone instead")
    if expression.startswith("@") and expression not in DESCRIPTORS:
        raise CronError(advice.descriptor(expression, tuple(DESCRIPTORS)))
    words = split(DESCRIPTORS.get(expression, expression))
    if len(words) == 1 and words[0].startswith("@"):
        raise CronError(advice.descriptor(expression, tuple(DESCRIPTORS)))
    if len(words) != len(FIELDS):
        raise CronError(advice.wrong_count(words))
    return Bits(*(read(field, word) for field, word in zip(FIELDS, words, strict=True)))


def _refuse_if_never(expression: str, bits: Bits) -> None:
    """Refuse what Kubernetes accepts but never runs, such as 31 February or a lone comma."""
    for name, values in (("minute", bits.minute), ("hour", bits.hour), ("month", bits.month)):
        if not values:
            raise CronError(f"{name}: the list is empty; write at least one value")
    in_month, in_week = _has_day(bits), bool(bits.day_of_week & ~STAR)
    starred = (bits.day_of_month | bits.day_of_week) & STAR
    if (starred and in_month and in_week) or (not starred and (in_month or in_week)):
        return
    raise CronError(f"{expression!r} names no day that exists, so it would never fire; write one")


def _has_day(bits: Bits) -> bool:
    return any(
        bits.month >> month & 1 and bits.day_of_month & ((2 << days) - 2)
        for month, days in enumerate(_LONGEST_MONTHS, 1)
    )


def _floor(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise ValueError("a moment must be aware, that is, have a time zone")
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("a moment must lie in the years 10 to 9989")
    return (moment - _EPOCH) // _SECOND


def _ceiling(moment: datetime) -> int:
    return _floor(moment) + (moment.microsecond > 0)


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
