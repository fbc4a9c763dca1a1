"""When a parsed cron expression fires."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from download_schedule.cron import english
from download_schedule.cron.search import YEARS, Bits, next_tick

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_EARLIEST: Final = datetime(10, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9990, 1, 1, tzinfo=UTC)
_SEARCH_SECONDS: Final = 366 * YEARS * 86_400
_GAP_TICKS: Final = 32
_QUARTER_SECONDS: Final = 15 * 60


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A cron expression as Kubernetes reads it, in one time zone. Build it with :func:`.parse`.

    Every moment passed in is an aware datetime from the year 10 to 9989; any other raises
    ValueError. Ticks are aware datetimes in UTC.
    """

    expression: str
    """Five fields, or a descriptor such as ``@daily``, with single spaces and without ``H``."""
    time_zone: str
    """IANA name."""
    _bits: Bits = field(repr=False, compare=False)
    _zone: ZoneInfo = field(repr=False, compare=False)

    def next_as_kubernetes(self, after: datetime) -> datetime | None:
        """Return what Kubernetes computes as the first tick after *after*, even where it is wrong.

        In a few zones, such as Pacific/Chatham, the result can lie before *after*: within the
        hour that repeats when clocks are set back.

        The result is None if there is no tick up to the end of the fifth year after that of
        *after*. Of the expressions that :func:`.parse` accepts, this only happens to 29 February
        around a year such as 2100.
        """
        return _moment_or_none(self._search(_floor(after)))

    def next_tick(self, after: datetime) -> datetime | None:
        """Return the first tick after *after* that :meth:`next_as_kubernetes` can reach.

        The result always lies after *after*, or is None as there.
        """
        return _moment_or_none(self._next(_floor(after)))

    def previous_tick(self, before: datetime) -> datetime | None:
        """Return the last tick strictly before *before*, or None if five years contain none.

        This is the tick at which a controller that steps from tick to tick stood before *before*.
        """
        return _moment_or_none(self._previous(_ceiling(before)))

    def ticks_between(self, start: datetime, end: datetime, limit: int) -> list[datetime]:
        """Return at most *limit* ticks after *start*, up to and including *end*, oldest first.

        Each one is the :meth:`next_tick` after the one before it.
        """
        last = _floor(end)
        ticks = takewhile(lambda tick: tick <= last, self._ticks(_floor(start)))
        return [_moment(tick) for tick in islice(ticks, max(limit, 0))]

    def shortest_gap(self, after: datetime) -> timedelta:
        """Return the shortest gap between neighbours among the next 32 ticks after *after*.

        The result is five years (of 366 days) if fewer than two ticks follow.
        """
        ticks = islice(self._ticks(_floor(after)), _GAP_TICKS)
        gaps = (later - earlier for earlier, later in pairwise(ticks))
        return timedelta(seconds=min(gaps, default=_SEARCH_SECONDS))

    def describe(self) -> str:
        """Return the schedule in plain English, such as ``at 02:00 every day, Etc/UTC time``."""
        return f"{english.describe(self._bits)}, {self.time_zone} time"

    def _search(self, after: int) -> int | None:
        return next_tick(self._bits, self._zone, after)

    def _ticks(self, after: int) -> Iterator[int]:
        while (tick := self._next(after)) is not None:
            yield tick
            after = tick

    def _next(self, after: int) -> int | None:
        start = after
        while (tick := self._search(start)) is not None and tick <= after:
            start += _QUARTER_SECONDS  # leaves the repeated hour in which the search leads back
        return tick

    def _previous(self, before: int) -> int | None:
        tick = self._any_tick_before(before)
        end = before
        # Invariant: *tick* is a tick before *before*, and no tick lies after *end* and before
        # *before*. So the last tick is *tick* or lies between it and *end*. Each round halves that
        # stretch: a tick in its later half moves *tick* up, otherwise *end* comes down.
        while tick is not None and (following := self._next_before(tick, before)) is not None:
            middle = max(following, (following + end) // 2)
            later = self._next_before(middle, before)
            tick, end = (following, middle) if later is None else (later, end)
        return tick

    def _any_tick_before(self, before: int) -> int | None:
        """Look back from *before*, each time eight times as far, until a tick is in sight."""
        span, tick = 60, None
        while tick is None and span < 8 * _SEARCH_SECONDS:
            tick = self._next_before(before - min(span, _SEARCH_SECONDS), before)
            span *= 8
        return tick

    def _next_before(self, after: int, before: int) -> int | None:
        tick = self._next(after)
        return tick if tick is not None and tick < before else None


def _floor(moment: datetime) -> int:
    """Return whole seconds since 1970, rounded down.

    Raises:
        ValueError: the moment has no time zone or its year is out of bounds.
    """
    if moment.utcoffset() is None:
        raise ValueError("a moment must be aware, that is, have a time zone")
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("a moment must lie in the years 10 to 9989")
    return (moment - _EPOCH) // _SECOND


def _ceiling(moment: datetime) -> int:
    return _floor(moment) + (moment.microsecond > 0)


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _moment_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)
