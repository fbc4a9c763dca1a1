"""Decide what to do next about one schedule. Pure: the same picture and time, the same plan.

The caller carries the action out, takes the answer into the picture and asks again, until there is
nothing left to do but wait.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from download_operator import conditions
from download_operator.conditions import Verdict
from download_operator.cron_job import JOURNAL_SPAN, Desired
from download_operator.picture import Run, Snapshot
from download_operator.runs import result_is_missing, run_of
from download_operator.ticks import NEWS_GRACE, judge
from download_operator.views import Job, Pod
from download_schedule import history
from download_schedule.model import DEFAULT_HISTORY, State

JSON = dict[str, Any]

PENDING_GRACE: Final = timedelta(seconds=5)
"""A run that starts within it costs no status write of its own for having been pending."""
RESULT_GRACE: Final = timedelta(seconds=5)
"""How long the Pod's last word may come after the news that its Job is over, unasked."""
NEXT_RUN_GRACE: Final = timedelta(seconds=60)
"""A tick brings a run, and its status write the next tick; only a tick without one waits."""


@dataclass(frozen=True, slots=True)
class CreateCronJob:
    """POST the CronJob."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class ReplaceCronJob:
    """PUT the CronJob: the schedule was edited, or the CronJob was."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """PUT the status, and then tell of ticks that it counts as missed."""

    status: JSON
    missed: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadPods:
    """List the Pods of a Job that is over: the watch has not told how its last one ended."""

    job: Job


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before *until* unless something happens; None: at all."""

    until: datetime | None


Action = CreateCronJob | ReplaceCronJob | WriteStatus | ReadPods | Wait


def plan(snapshot: Snapshot, desired: Desired | ValueError, now: datetime) -> Action:
    """Return the next action.

    Args:
        snapshot: what is known of the schedule.
        desired: what its spec asks for, or what is wrong with it.
        now: the time, with a time zone.
    """
    if snapshot.schedule.deleting:
        return Wait(None)
    if isinstance(desired, ValueError):
        ready = Verdict("False", conditions.INVALID_SPEC, str(desired))
        return _report(snapshot, None, ready, now)
    owned = snapshot.cron_job
    if owned is None:
        return _create(snapshot, desired, now)
    if owned.owner != snapshot.schedule.uid:
        owner = owned.owner_name or "nobody"
        return _report(snapshot, None, name_taken(owned.name, owner), now)
    if _differs(snapshot, desired) and not owned.deleting:
        if refused := _refused(snapshot, desired, now):
            return refused
        return ReplaceCronJob(desired)
    if desired.spec.suspend:
        ready = Verdict(
            "True", conditions.SUSPENDED, "No new runs start while spec.suspend is true."
        )
    else:
        ready = Verdict("True", conditions.SCHEDULED, f"CronJob {owned.name} starts the runs.")
    return _report(snapshot, desired, ready, now)


def name_taken(cron_job: str, owner: str) -> Verdict:
    """Return the verdict on a schedule whose CronJob's name somebody else uses."""
    return Verdict(
        "False",
        conditions.NAME_TAKEN,
        f"CronJob {cron_job} exists and belongs to {owner}: "
        "give the schedule another name or delete that CronJob.",
    )


def _create(snapshot: Snapshot, desired: Desired, now: datetime) -> Action:
    return _refused(snapshot, desired, now) or CreateCronJob(desired)


def _refused(snapshot: Snapshot, desired: Desired, now: datetime) -> Action | None:
    """Report that the API server did not take this very CronJob, until it is time to ask again."""
    refusal = snapshot.refusal
    if refusal is None or refusal.spec_hash != desired.spec_hash or refusal.until <= now:
        return None
    ready = Verdict("False", refusal.reason, refusal.message)
    report = _report(snapshot, None, ready, now)
    if isinstance(report, Wait):
        return Wait(min(report.until or refusal.until, refusal.until))
    return report


def _differs(snapshot: Snapshot, desired: Desired) -> bool:
    cron_job = snapshot.cron_job
    return cron_job is not None and (
        cron_job.spec_hash != desired.spec_hash
        or cron_job.generation != snapshot.expected_generation
        or cron_job.schedule_uid != snapshot.schedule.uid
    )


def _report(snapshot: Snapshot, desired: Desired | None, ready: Verdict, now: datetime) -> Action:
    """Write the status if it says something new; *desired* only where Kubernetes carries it out."""
    if overdue := _overdue(snapshot, now):
        return ReadPods(overdue)
    entries, existing, look_again = _runs(snapshot, now)
    schedule, moment = snapshot.schedule, _text(now)
    limit = schedule.spec.get("historyLimit", DEFAULT_HISTORY)
    recorded = history.record(schedule.status, entries, existing, limit, moment)
    verdicts = {"Ready": ready, "Healthy": conditions.healthy(recorded["history"])}
    stored_conditions = schedule.status.get("conditions", ())
    status: JSON = {
        "observedGeneration": schedule.generation,
        "conditions": conditions.merge(stored_conditions, verdicts, schedule.generation, moment),
        **recorded,
    }
    if snapshot.cron_job and ready.status == "True":
        status["cronJobName"] = snapshot.cron_job.name
        status["cronJobGeneration"] = snapshot.expected_generation
    missed: tuple[datetime, ...] = ()
    if desired:
        status["schedule"] = desired.ticks.expression
        missed = _add_ticks(snapshot, desired, status, look_again, now)
    if _says_more(status, schedule.status, now):
        return WriteStatus(status, missed)
    return Wait(min(look_again, default=None))


def _add_ticks(
    snapshot: Snapshot, desired: Desired, status: JSON, look_again: list[datetime], now: datetime
) -> tuple[datetime, ...]:
    """Add to *status* what the ticks are about; return those that turn out to be missed."""
    status["settledUntil"] = _text(now)
    if desired.spec.suspend:
        return ()
    if upcoming := desired.ticks.next(now):
        status["nextRunTime"] = _text(upcoming)
        look_again.append(upcoming + NEXT_RUN_GRACE)
    stored = snapshot.schedule.status
    if "settledUntil" not in stored or stored["observedGeneration"] != status["observedGeneration"]:
        return ()
    judgement = judge(
        desired.ticks,
        max(datetime.fromisoformat(stored["settledUntil"]), now - JOURNAL_SPAN),
        now,
        timedelta(seconds=desired.spec.starting_deadline_seconds),
        _started(snapshot, status),
    )
    status["settledUntil"] = _text(judgement.settled_until)
    status["counts"]["missed"] += len(judgement.missed)
    if judgement.open_tick:
        deadline = timedelta(seconds=desired.spec.starting_deadline_seconds)
        look_again.append(judgement.open_tick + deadline + NEWS_GRACE)
    return judgement.missed


def _started(snapshot: Snapshot, status: JSON) -> set[datetime]:
    """Return the ticks that have a Job, or had one."""
    recorded = {run["scheduledTime"] for run in status["history"] if "scheduledTime" in run}
    known = {run.job.scheduled_time for run, _ in snapshot.runs if run.job.scheduled_time}
    return set(map(datetime.fromisoformat, recorded | known))


def _runs(snapshot: Snapshot, now: datetime) -> tuple[list[JSON], set[str], list[datetime]]:
    """Return the entries to record, the ids of all runs, and when to look at a run again."""
    known = {run["id"] for run in snapshot.schedule.status.get("history", ())}
    done = history.counted(snapshot.schedule.status)
    entries: list[JSON] = []
    look_again: list[datetime] = []
    for run, pods in snapshot.runs:
        if run.job.uid in done:
            continue
        entry = run_of(run.job, pods)
        ready_at = _ready_at(run, pods, entry, stored=run.job.uid in known)
        if ready_at > now:
            look_again.append(ready_at)
        else:
            entries.append(entry)
    return entries, {run.job.uid for run, _ in snapshot.runs}, look_again


def _overdue(snapshot: Snapshot, now: datetime) -> Job | None:
    """Return a Job that is over, and whose Pods should have been heard of by now."""
    done = history.counted(snapshot.schedule.status)
    for run, pods in snapshot.runs:
        waited = run.ended is not None and run.ended + RESULT_GRACE <= now
        if waited and run.job.uid not in done and _is_short_of_news(run, pods):
            return run.job
    return None


def _is_short_of_news(run: Run, pods: tuple[Pod, ...]) -> bool:
    return run.ended is not None and not run.pods_read and result_is_missing(run.job, pods)


def _ready_at(run: Run, pods: tuple[Pod, ...], entry: JSON, stored: bool) -> datetime:
    """Return when the entry is worth recording; waiting a little saves a write or a result."""
    if run.ended and _is_short_of_news(run, pods):
        return run.ended + RESULT_GRACE
    if entry["state"] == State.PENDING and not stored:
        return run.appeared + PENDING_GRACE
    return run.appeared


def _says_more(status: JSON, stored: Any, now: datetime) -> bool:
    """Whether *status* is worth a write.

    What Kubernetes' clean-up alone changes (``recorded``) is not, nor ticks that merely went by,
    nor a next run that moved on while the run of its tick is about to bring a write anyway.
    """
    ignored = {"recorded", "settledUntil"}
    before, after = stored.get("nextRunTime"), status.get("nextRunTime")
    if before and after and datetime.fromisoformat(before) > now - NEXT_RUN_GRACE:
        ignored.add("nextRunTime")
    return _without(status, ignored) != _without(stored, ignored)


def _without(status: Any, ignored: set[str]) -> JSON:
    return {name: value for name, value in status.items() if name not in ignored}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
