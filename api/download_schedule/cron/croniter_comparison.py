"""Warnings for people who know croniter: where it reads an expression unlike Kubernetes.

croniter is the cron library of Airflow and other Python schedulers. It never decides when a
schedule fires here: it is an optional extra, which only this module imports, and only when somebody
asks about an expression. Operator and worker may not import this module.

Two readings count as the same if they give the same times wherever :func:`.look_ahead` looks.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from typing import Final, NamedTuple

from download_schedule.cron import zones
from download_schedule.cron.errors import CronError
from download_schedule.cron.fields import FIELDS, Field, parse_field, split_into_runs
from download_schedule.cron.look_ahead import (
    YEARS,
    Difference,
    Reading,
    Span,
    first_difference,
    look_ahead,
)
from download_schedule.cron.parser import MAX_LENGTH, parse
from download_schedule.cron.schedule import CronSchedule
from download_schedule.timestamps import format_time

_CRONITER_YEARS: Final = range(1970, 2100)
"""What croniter allows in an expression's field of years."""
_RANDOM: Final = re.compile(r"(?:^|\s)R(?:[(/\s]|$)", re.IGNORECASE)


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
        times = croniter(expression, 0.0, datetime, max_years_between_matches=YEARS)
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


def _never(_: datetime) -> None:
    return None


def _parse(expression: str, time_zone: str) -> CronSchedule | None:
    try:
        return parse(expression, time_zone)
    except CronError:
        return None
