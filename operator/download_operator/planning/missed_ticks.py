"""Which ticks brought a run, and which were missed for good. Pure.

The CronJob controller makes up for the latest tick it missed, as long as it is not older than
``startingDeadlineSeconds``, and for no earlier one (pkg/controller/cronjob in Kubernetes). So a
tick without a Job is missed once a later one has a Job, or once its deadline is over.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from download_schedule.cron import CronSchedule
from download_schedule.timestamps import format_time, parse_time

NEWS_GRACE: Final = timedelta(seconds=15)
"""How long after its deadline a tick's Job may still become known: the CronJob controller looks
every ten seconds at the latest."""
MAX_JUDGED: Final = 1000
"""Ticks judged at a time; the rest follow in the next step."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of the ticks since the last one."""

    settled_until: datetime
    """Nothing more will be said about ticks up to here."""
    missed: tuple[datetime, ...]
    open_tick: datetime | None
    """The first tick that may still bring a run, or may have brought one since the list."""


def judge(
    ticks: CronSchedule,
    settled_until: datetime,
    now: datetime,
    listed: datetime,
    deadline: timedelta,
    started: Collection[datetime],
) -> Judgement:
    """Judge the ticks after *settled_until* up to *now*.

    Args:
        ticks: the schedule.
        settled_until: of the last judgement.
        now: the time, with a time zone.
        listed: when the Jobs were listed of which *started* tells.
        deadline: ``startingDeadlineSeconds``.
        started: ticks that have a Job, or had one.
    """
    latest = max((tick for tick in started if tick <= now), default=settled_until)
    missed: list[datetime] = []
    for tick in ticks.ticks_between(settled_until, now, MAX_JUDGED):
        if tick not in started:
            if tick > latest and tick + deadline + NEWS_GRACE > min(now, listed):
                return Judgement(settled_until, tuple(missed), tick)
            missed.append(tick)
        settled_until = tick
    return Judgement(settled_until, tuple(missed), None)


def explain(missed: Collection[datetime], history: Collection[Mapping[str, Any]]) -> str:
    """Return why the last of *missed* brought no run, as one sentence for people."""
    last = max(missed)
    time = format_time(last)
    count = f"{len(missed)} ticks up to {time}" if len(missed) > 1 else f"The tick {time}"
    busy = next((run["job"] for run in history if _was_going(run, last)), None)
    if busy:
        return f"{count} brought no run: {busy} was still going."
    return f"{count} brought no run within startingDeadlineSeconds."


def _was_going(run: Mapping[str, Any], tick: datetime) -> bool:
    start, end = (parse_time(run.get(part, "")) for part in ("startTime", "completionTime"))
    return start is not None and start < tick and (end is None or end > tick)
