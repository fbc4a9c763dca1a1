"""The tick that somebody asks for a run of: with kubectl, or over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Final

from download_schedule.cron import CronSchedule
from download_schedule.ledger import is_tick
from download_schedule.timestamps import format_time, parse_time

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The names of Jobs count minutes from here."""


def parse_requested_tick(text: str, cron: CronSchedule, now: datetime) -> datetime:
    """Return the tick that *text* names.

    Raises:
        ValueError: *cron* does not fire at that time, or the time is in the future; the sentence
            says what to write instead.
    """
    tick = parse_time(text)
    if tick is None:
        raise ValueError(
            f"{text[:64]!r} is not a time with a date and a zone; write for example "
            "2026-11-29T02:00:00Z"
        )
    if tick > now:
        latest = cron.previous_tick(now + timedelta(seconds=1))
        raise ValueError(
            f"{text[:64]!r} is in the future; write a tick that has passed"
            + (f", such as {format_time(latest)}" if latest else "")
        )
    if tick <= _FIRST:
        raise ValueError(f"{text[:64]!r} is too early; write a tick after 1970-01-01T00:00:00Z")
    if not is_tick(cron, tick):
        raise ValueError(
            f"{text[:64]!r} is not a tick of {cron.expression[:200]!r} in {cron.time_zone}; "
            f"write {_nearest(cron, tick, now)}"
        )
    return tick


def _nearest(cron: CronSchedule, tick: datetime, now: datetime) -> str:
    """Return the ticks around *tick* that have passed, as words."""
    before, after = cron.previous_tick(tick), cron.next_tick(tick)
    passed = [format_time(near) for near in (before, after) if near and _FIRST < near <= now]
    return " or ".join(passed) or "a tick that has passed"
