"""Which ticks started a run, and which were missed for good. Pure.

The CronJob controller catches up on the latest tick that it missed, provided that the tick is not
older than ``startingDeadlineSeconds``, and on no earlier one (pkg/controller/cronjob in
Kubernetes). So a tick without a Job is missed once a later tick has a Job, or once its deadline has
passed.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import DesiredState, job_retention
from download_schedule.attempt.exclusion import Exclusion
from download_schedule.cron import CronSchedule, next_included_tick, why_excluded
from download_schedule.ledger import Ledger, Outcome
from download_schedule.timestamps import format_time, parse_time

EVENT_GRACE: Final = timedelta(seconds=15)
"""How long after its deadline a tick's Job may still be observed. The CronJob controller looks at
its schedules at least every ten seconds."""
NEXT_RUN_GRACE: Final = timedelta(seconds=60)
"""When to look at a tick that started no run. A tick that does start one causes a status write
anyway, which moves ``nextRunTime`` on."""
MAX_CLOCK_SKEW: Final = timedelta(days=1)
"""How far the status may be ahead of the clock, because the clock was set back. What is further
ahead comes from a clock that was wrong."""
MAX_JUDGED: Final = 1000
"""Ticks judged at a time; the rest follow in the next step."""


class Ticks(NamedTuple):
    """What the status has to say about ticks."""

    settled_until: datetime | None = None
    """Ticks up to here were judged once and for all."""
    next_run: datetime | None = None
    missed: tuple[datetime, ...] = ()
    """Ticks that turned out to be missed."""
    revisit_at: datetime | None = None
    excluded: tuple[datetime, ...] = ()
    """Ticks without a run on days that are left out."""


class NeedJobs(NamedTuple):
    """Ticks cannot be judged before the schedule's Jobs are listed."""


class Judgement(NamedTuple):
    """What became of the ticks since the last judgement."""

    settled_until: datetime
    """Ticks up to here were judged once and for all."""
    missed: tuple[datetime, ...]
    open_tick: datetime | None = None
    """The first tick that may still start a run, or may have started one since the list."""
    excluded: tuple[datetime, ...] = ()
    """Ticks without a run on days that are left out."""


def judge_ticks(
    snapshot: Snapshot,
    desired: DesiredState | None,
    history: Collection[Mapping[str, Any]],
    now: datetime,
) -> Ticks | NeedJobs:
    """Judge the ticks since the last status.

    Args:
        snapshot: what is known of the schedule.
        desired: what its CronJob carries out; None if it has none.
        history: the runs that the new status will have.
        now: the time, with a time zone.
    """
    if desired is None:
        return Ticks()
    if desired.spec.suspend:
        return Ticks(now)
    next_run = next_included_tick(desired.cron, desired.exclusion, now)
    revisit_at = next_run + NEXT_RUN_GRACE if next_run else None
    start = _unjudged_since(snapshot, desired, now)
    if start is None:
        return Ticks(now, next_run, (), revisit_at)
    deadline = timedelta(seconds=desired.spec.starting_deadline_seconds)
    judgement = judge(
        desired.cron,
        start,
        now,
        snapshot.jobs_listed_at,
        deadline,
        _started(snapshot, history),
        desired.exclusion,
    )
    if judgement.open_tick:
        decided_at = judgement.open_tick + deadline + EVENT_GRACE
        if decided_at <= now:
            return NeedJobs()
        revisit_at = min(revisit_at or decided_at, decided_at)
    missed = _without_known(judgement.missed, snapshot, desired)
    return Ticks(judgement.settled_until, next_run, missed, revisit_at, judgement.excluded)


def judge(
    cron: CronSchedule,
    start: datetime,
    now: datetime,
    listed_at: datetime,
    deadline: timedelta,
    started: Collection[datetime],
    exclusion: Exclusion | None = None,
) -> Judgement:
    """Judge the ticks after *start* up to *now*.

    Args:
        cron: the expression in its time zone.
        start: ``settled_until`` of the last judgement.
        now: the time, with a time zone.
        listed_at: when the Jobs were listed from which *started* comes.
        deadline: ``startingDeadlineSeconds``.
        started: ticks that have a Job, or had one.
        exclusion: days whose ticks are not missed, because they are left out.
    """
    latest = max((tick for tick in started if tick <= now), default=start)
    settled_until = start
    missed: list[datetime] = []
    excluded: list[datetime] = []
    open_tick = None
    for tick in cron.ticks_between(start, now, MAX_JUDGED):
        if tick not in started:
            if why_excluded(exclusion, tick):
                excluded.append(tick)
            elif tick > latest and tick + deadline + EVENT_GRACE > min(now, listed_at):
                open_tick = tick
                break
            else:
                missed.append(tick)
        settled_until = tick
    return Judgement(settled_until, tuple(missed), open_tick, tuple(excluded))


def explain_missed(missed: Collection[datetime], history: Iterable[Mapping[str, Any]]) -> str:
    """Return one sentence that says why the last of *missed* started no run."""
    last = max(missed)
    time = format_time(last)
    ticks = f"{len(missed)} ticks up to {time}" if len(missed) > 1 else f"The tick {time}"
    for run in history:
        if _was_active(run, last):
            return f"{ticks} started no run: {run['job']} was still active."
    return f"{ticks} started no run within startingDeadlineSeconds."


def _unjudged_since(snapshot: Snapshot, desired: DesiredState, now: datetime) -> datetime | None:
    """Return after which time ticks are to be judged; None if none are.

    A new generation may fire at different times, so that its ticks are judged from its first status
    on.
    """
    schedule, status = snapshot.schedule, snapshot.schedule.status
    settled_until = parse_time(status.get("settledUntil", ""))
    if settled_until is None or status.get("observedGeneration") != schedule.generation:
        return None
    bounds = [settled_until, snapshot.observed_since - job_retention(desired.cron)]
    if created := parse_time(schedule.created):
        bounds.append(created)  # a status restored from a backup may speak of earlier ticks
    start = max(bounds)
    return start if start <= now + MAX_CLOCK_SKEW else now


def _without_known(
    missed: tuple[datetime, ...], snapshot: Snapshot, desired: DesiredState
) -> tuple[datetime, ...]:
    """Return the ticks in *missed* whose outcome no status has said before.

    Time that a clock lives through again has such ticks.
    """
    ledger = Ledger.read(snapshot.schedule.status, desired.cron) if missed else None
    if ledger is None or ledger.latest is None or ledger.latest < missed[0]:
        return missed
    unknown = Outcome.UNKNOWN
    known = {tick for tick, outcome in ledger.between(missed[0]) if outcome is not unknown}
    return tuple(tick for tick in missed if tick not in known)


def _started(snapshot: Snapshot, history: Iterable[Mapping[str, Any]]) -> set[datetime]:
    """Return the ticks that have a Job, or had one."""
    recorded = {run["scheduledTime"] for run in history if "scheduledTime" in run}
    observed = {run.job.scheduled_time for run, _ in snapshot.runs if run.job.scheduled_time}
    return {tick for tick in map(parse_time, recorded | observed) if tick}


def _was_active(run: Mapping[str, Any], tick: datetime) -> bool:
    start, end = (parse_time(run.get(field, "")) for field in ("startTime", "completionTime"))
    return start is not None and start < tick and (end is None or end > tick)
