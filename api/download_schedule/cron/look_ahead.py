"""Comparing two readings of one cron expression over a bounded look-ahead."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from download_schedule.cron import zones
from download_schedule.timestamps import format_time

YEARS: Final = 5
_DAYS: Final = 366 * YEARS
_FIRST_TICKS: Final = 100
_CLOCK_CHANGES: Final = 2
_CLOCK_CHANGE_TICKS: Final = 150
_SAMPLES: Final = (
    *(timedelta(hours=hours) for hours in range(1, 24)),
    *(timedelta(days=days) for days in range(1, 30)),
    *(timedelta(days=days) for days in range(30, _DAYS, 30)),
)
_MAX_JUMP: Final = timedelta(hours=2)
"""croniter searches the gap of a clock change minute by minute, and again from each minute: that
takes 0.05 s for two hours, and 8 s for the day that Samoa skipped in 2011."""

Reading = Callable[[datetime], datetime | None]
"""How somebody reads an expression: returns the first time after a moment, or None."""


class Span(NamedTuple):
    """A stretch of the look-ahead: the next *ticks* ticks after *start*, up to about *end*.

    The last search of a stretch starts no later than *end*.
    """

    start: datetime
    end: datetime
    ticks: int


class Difference(NamedTuple):
    """A time at which only one of the two readings fires."""

    time: datetime
    fires: Literal["croniter", "Kubernetes"]

    def __str__(self) -> str:
        other = "Kubernetes" if self.fires == "croniter" else "croniter"
        return f"{self.fires} fires at {format_time(self.time)}, {other} does not"


def look_ahead(time_zone: str, start: datetime) -> list[Span] | None:
    """Return where to compare two readings, or None if croniter would take too long there.

    These are the next 100 ticks; up to 150 ticks from an hour before until a day after each of the
    next two clock changes; and the first tick after each of the next 23 hours, 29 days and 60
    months. That makes at most 512 ticks within five years.

    The hours, days and months are for expressions such as ``* * * * 5-5``. croniter reads it as
    every day, which on a Friday only shows after more than 100 ticks.
    """
    changes = list(_clock_changes(time_zone, start))
    if any(abs(jump) > _MAX_JUMP for _, jump in changes):
        return None
    spans = [Span(start, start + timedelta(days=_DAYS), _FIRST_TICKS)]
    spans += [Span(start + sample, start + sample, 1) for sample in _SAMPLES]
    hour, day = timedelta(hours=1), timedelta(days=1)
    spans += [
        Span(change - hour, change + day, _CLOCK_CHANGE_TICKS)
        for change, _ in changes[:_CLOCK_CHANGES]
    ]
    return sorted(spans)


def _clock_changes(time_zone: str, start: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Yield the hour and the length of each clock change within five years."""
    zone = zones.load(time_zone)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(zone).utcoffset() or timedelta()

    for today, tomorrow in pairwise(start + timedelta(days=n) for n in range(_DAYS)):
        before, after = offset(today), offset(tomorrow)
        if before != after:
            hours = [today + timedelta(hours=n) for n in range(25)]
            changed = bisect_left(hours, True, key=lambda hour: offset(hour) != before)
            yield hours[changed], after - before


def first_difference(
    kubernetes: Reading, croniter: Reading, spans: Sequence[Span]
) -> Difference | None:
    """Return the first time at which only one of the two fires, or None if *spans* show none."""
    horizon = max(span.end for span in spans)

    def next_times(moment: datetime) -> tuple[datetime | None, datetime | None]:
        ours, theirs = kubernetes(moment), croniter(moment)
        return (
            ours if ours and ours <= horizon else None,
            theirs if theirs and theirs <= horizon else None,
        )

    reached = spans[0].start
    for span in spans:
        moment = max(span.start, reached)
        for _ in range(span.ticks):
            if moment > span.end:
                break
            ours, theirs = next_times(moment)
            if ours != theirs:
                return _first_difference_between(next_times, reached, moment)
            if ours is None:
                return None
            reached = moment = ours
    return None


def _first_difference_between(
    next_times: Callable[[datetime], tuple[datetime | None, datetime | None]],
    reached: datetime,
    moment: datetime,
) -> Difference | None:
    """Return the difference that is visible from *moment*, as the first moment to show it sees it.

    That moment lies between *reached* and *moment*. Moments after it show the difference as well,
    so halving finds it.
    """

    def differs(seconds: int) -> bool:
        ours, theirs = next_times(reached + timedelta(seconds=seconds))
        return ours != theirs

    seconds = bisect_left(range(round((moment - reached).total_seconds())), True, key=differs)
    ours, theirs = next_times(reached + timedelta(seconds=seconds))
    if ours and not (theirs and theirs < ours):
        return Difference(ours, "Kubernetes")
    return Difference(theirs, "croniter") if theirs else None
