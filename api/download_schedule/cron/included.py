"""Ticks of a schedule that leaves out some days."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from download_schedule.attempt.exclusion import Exclusion, find_reason
from download_schedule.cron import zones
from download_schedule.cron.schedule import CronSchedule

MAX_DAYS: Final = 366
"""Days on end that are passed over in search of a tick."""
MAX_TICKS: Final = 60
"""Ticks that are looked at. Each takes up to two milliseconds to find."""

_SECOND: Final = timedelta(seconds=1)


def why_excluded(exclusion: Exclusion | None, tick: datetime) -> str | None:
    """Return why *tick* is left out, as a sentence; None if it is not, as far as is known here."""
    if exclusion is None:
        return None
    return find_reason(exclusion, tick.astimezone(zones.load(exclusion.time_zone)).date())


def next_included_tick(
    schedule: CronSchedule, exclusion: Exclusion | None, after: datetime
) -> datetime | None:
    """Return the first tick after *after* on a day that is not left out.

    The result is None if :data:`MAX_DAYS` days on end are left out, or the days of
    :data:`MAX_TICKS` ticks, or if the expression has no more ticks.
    """
    tick = schedule.next_tick(after)
    if exclusion is None:
        return tick
    zone = zones.load(exclusion.time_zone)
    for _ in range(MAX_TICKS):
        if tick is None:
            return None
        day = tick.astimezone(zone).date()
        included = _next_included_day(exclusion, day)
        if included is None:
            return None
        if included == day:
            return tick
        # Where clocks are set back across midnight, a day goes on after its end.
        tick = schedule.next_tick(max(_start_of(included, zone) - _SECOND, tick))
    return None


def _next_included_day(exclusion: Exclusion, day: date) -> date | None:
    days = (day + timedelta(days=number) for number in range(MAX_DAYS + 1))
    return next((day for day in days if find_reason(exclusion, day) is None), None)


def _start_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
