"""Warnings for people who know croniter: where it reads an expression unlike Kubernetes.

croniter is the cron library of Airflow and other Python schedulers. It never decides when a
schedule fires here: it is an optional extra, which only this module imports, and only when somebody
asks about an expression. Operator and worker may not import this module.

Two readings count as the same if they give the same times wherever :func:`look_ahead` looks.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from download_schedule.cron import zones
from download_schedule.cron.errors import CronError
from download_schedule.cron.fields import FIELDS, Field, parse_field, split_into_runs
from download_schedule.cron.parser import MAX_LENGTH, parse
from download_schedule.cron.schedule import CronSchedule
from download_schedule.timestamps import format_time

_YEARS: Final = 5
_DAYS: Final = 366 * _YEARS
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
_CRONITER_YEARS: Final = range(1970, 2100)
"""What croniter allows in an expression's field of years."""
_RANDOM: Final = re.compile(r"(?:^|\s)R(?:[(/\s]|$)", re.IGNORECASE)

Reading = Callable[[datetime], datetime | None]
"""How somebody reads an expression: returns the first time after a moment, or None."""


class Span(NamedTuple):
    """A stretch of the look-ahead: the first *ticks* ticks after *start*, none from *end* on."""

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


class Equivalent(NamedTuple):
    """An expression that Kubernetes reads as croniter reads another one."""

    schedule: CronSchedule
    exception: Difference | None
    """A time at which they still differ, because clocks change."""


def croniter_warning(expression: str, time_zone: str, start: datetime) -> str | None:
    """Return a sentence about how croniter's times after *start* differ from those of Kubernetes.

    The sentence says one of these:

    - croniter accepts what is refused here, and what to write here, if an expression with the same
      times was found;
    - croniter refuses what Kubernetes accepts;
    - both accept the expression, and the first time at which only one of them fires.

    Returns:
        None if there is no difference, if croniter is not installed, if the zone is unknown, if the
        expression is longer than :data:`.MAX_LENGTH`, if *start* lies outside of the years that
        croniter knows, or if the zone sets its clocks by more than two hours within five years.
    """
    if len(expression) > MAX_LENGTH or time_zone not in zones.names():
        return None
    if start.year not in _CRONITER_YEARS or not find_spec("croniter"):
        return None
    # Ticks are whole minutes, so one sentence, from a cache, holds for a whole minute.
    return _warning(expression, time_zone, start.astimezone(UTC).replace(second=0, microsecond=0))


@lru_cache(maxsize=256)
def _warning(expression: str, time_zone: str, start: datetime) -> str | None:
    if (spans := look_ahead(time_zone, start)) is None:
        return None
    schedule, croniter = _parse(expression, time_zone), read_by_croniter(expression, time_zone)
    if croniter is None:
        return f"croniter refuses {expression!r}, Kubernetes accepts it" if schedule else None
    if _RANDOM.search(expression):
        return (
            f"croniter accepts {expression!r} and draws a random time whenever it reads it; "
            "write H for a time that stays the same"
        )
    kubernetes = schedule.next_tick if schedule else _never
    if (difference := first_difference(kubernetes, croniter, spans)) is None:
        return None
    equivalent = find_equivalent(expression, time_zone, spans)
    if schedule is None:
        return _explain_refused(expression, difference, equivalent)
    return _explain_different(expression, schedule, difference, equivalent)


def _explain_refused(expression: str, difference: Difference, equivalent: Equivalent | None) -> str:
    if equivalent:
        return f"croniter accepts {expression!r}; {_suggest(equivalent)}"
    return (
        f"croniter accepts {expression!r} and fires at {format_time(difference.time)}; "
        "no expression with the same times was found for Kubernetes"
    )


def _explain_different(
    expression: str, schedule: CronSchedule, difference: Difference, equivalent: Equivalent | None
) -> str:
    if equivalent and equivalent.schedule == schedule:
        return f"croniter differs from Kubernetes when clocks change: {difference}"
    advice = f"; {_suggest(equivalent)}" if equivalent else ""
    return f"croniter reads {expression!r} differently: {difference}{advice}"


def _suggest(equivalent: Equivalent) -> str:
    text = f"write {equivalent.schedule.expression!r} for croniter's times"
    if equivalent.exception:
        return f"{text}, except when clocks change: {equivalent.exception}"
    return text


def read_by_croniter(expression: str, time_zone: str) -> Reading | None:
    """Return how croniter reads *expression*, or None if it refuses it."""
    from croniter import croniter  # noqa: PLC0415 - optional, see the module's docstring

    zone = zones.load(time_zone)
    try:
        times = croniter(expression, 0.0, datetime, max_years_between_matches=_YEARS)
    except Exception:  # a CroniterError in all tests, but its parser makes no promise
        return None

    def next_time(after: datetime) -> datetime | None:
        try:
            time: datetime = times.get_next(start_time=after.astimezone(zone))
        except Exception:  # a CroniterBadDateError if no time follows; its search also asserts
            return None
        return time.astimezone(UTC)

    return next_time


def find_equivalent(expression: str, time_zone: str, spans: Sequence[Span]) -> Equivalent | None:
    """Return the expression that Kubernetes reads as croniter reads *expression*, if one is found.

    croniter must accept *expression*. The two have the same times wherever *spans* look. If only
    clock changes tell them apart, they have the same times there in UTC.
    """
    if (schedule := _parse(_translate(expression), time_zone)) is None:
        return None
    exception = _difference_from_croniter(schedule, expression, spans)
    if exception and _difference_from_croniter(parse(schedule.expression), expression, spans):
        return None
    return Equivalent(schedule, exception)


def _difference_from_croniter(
    schedule: CronSchedule, expression: str, spans: Sequence[Span]
) -> Difference | None:
    croniter = read_by_croniter(expression, schedule.time_zone) or _never
    return first_difference(schedule.next_tick, croniter, spans)


def _translate(expression: str) -> str:
    """Return *expression* with croniter's values for the fields that Kubernetes reads differently.

    This is a guess. croniter may mean more than values, such as the nearest workday (``W``).
    """
    from croniter import croniter  # noqa: PLC0415 - as above

    if expression.startswith("@"):
        return expression.lower()
    values, _ = croniter.expand(expression)
    return " ".join(map(_translate_field, FIELDS, expression.split(), values))


def _translate_field(field: Field, word: str, values: Sequence[int | str]) -> str:
    numbers = [value for value in values if isinstance(value, int)]
    runs = split_into_runs(numbers)
    text = ",".join(f"{run[0]}-{run[-1]}" if run[1:] else f"{run[0]}" for run in runs)
    if "*" in values:
        text = "*"
    try:
        return word if parse_field(field, word) == parse_field(field, text) else text
    except CronError:
        return text


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
    """Return the difference that shows from *moment* on, and may do so from *reached* on."""

    def differs(seconds: int) -> bool:
        ours, theirs = next_times(reached + timedelta(seconds=seconds))
        return ours != theirs

    seconds = bisect_left(range(round((moment - reached).total_seconds())), True, key=differs)
    ours, theirs = next_times(reached + timedelta(seconds=seconds))
    if ours and not (theirs and theirs < ours):
        return Difference(ours, "Kubernetes")
    return Difference(theirs, "croniter") if theirs else None


def _never(_: datetime) -> None:
    return None


def _parse(expression: str, time_zone: str) -> CronSchedule | None:
    try:
        return parse(expression, time_zone)
    except CronError:
        return None
