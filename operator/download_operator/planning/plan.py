"""Decide what to do next about one schedule. Pure: the same picture and time, the same plan.

The caller carries the action out, takes the answer into the picture and asks again, until there is
nothing left to do but wait.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from download_operator.cache.cache import Snapshot
from download_operator.manifests.cron_job import Desired, journal_span
from download_operator.planning import conditions
from download_operator.planning.actions import (
    Action,
    CreateCronJob,
    ReadJobs,
    ReadPods,
    ReplaceCronJob,
    SuspendCronJob,
    Wait,
    WriteStatus,
)
from download_operator.planning.conditions import Verdict
from download_operator.planning.manual_runs import requested_run, run_requests
from download_operator.planning.missed_ticks import NEWS_GRACE, judge
from download_operator.planning.recordable_runs import overdue, to_record
from download_schedule import history
from download_schedule.model import DEFAULT_HISTORY
from download_schedule.names import STOPPED
from download_schedule.timestamps import format_time, parse_time

JSON = dict[str, Any]

ASK_AGAIN: Final = timedelta(seconds=60)
"""After the API server refused a CronJob: what it objects to (a quota, a name) may have gone."""
REPAIR_PAUSE: Final = timedelta(seconds=5)
"""Between two writes of the same CronJob: another controller may keep undoing them."""
NEXT_RUN_GRACE: Final = timedelta(seconds=60)
"""A tick brings a run, and its status write the next tick; only a tick without one waits."""


def plan(
    snapshot: Snapshot, desired: Desired | ValueError, now: datetime, may_start: bool = True
) -> Action:
    """Return the next action.

    Args:
        snapshot: what is known of the schedule.
        desired: what its spec asks for, or what is wrong with it.
        now: the time, with a time zone.
        may_start: whether a run asked for may start now; it waits where it was just refused.
    """
    if snapshot.schedule.deleting:
        return Wait(None)
    if isinstance(desired, ValueError):
        return _obey_invalid(snapshot, desired, now)
    owned = snapshot.cron_job
    if owned is None:
        return _write_cron_job(snapshot, CreateCronJob(desired), now)
    if not owned.belongs_to(snapshot.schedule):
        owner = owned.owner_name or "nobody"
        return _report(snapshot, None, name_taken(owned.name, owner), now)
    if owned.deleting:
        return _report(snapshot, None, _is_going(owned.name), now)
    if _differs(snapshot, desired):
        return _write_cron_job(snapshot, ReplaceCronJob(desired), now)
    if may_start and (action := requested_run(snapshot, desired, owned)):
        return action
    return _report(snapshot, desired, _in_effect(desired), now)


def _in_effect(desired: Desired) -> Verdict:
    if desired.spec.suspend:
        return Verdict(
            "True", conditions.SUSPENDED, "No new runs start while spec.suspend is true."
        )
    name = desired.manifest["metadata"]["name"]
    return Verdict("True", conditions.SCHEDULED, f"CronJob {name} starts the runs.")


def name_taken(cron_job: str, owner: str) -> Verdict:
    """Return the verdict on a schedule whose CronJob's name somebody else uses."""
    return Verdict(
        "False",
        conditions.NAME_TAKEN,
        f"CronJob {cron_job} exists and belongs to {owner}: "
        "give the schedule another name or delete that CronJob.",
    )


def _is_going(cron_job: str) -> Verdict:
    return Verdict(
        "False",
        conditions.CRON_JOB_DELETING,
        f"CronJob {cron_job} is being deleted and starts no runs until it is gone and made anew: "
        "if it stays, see who has to take a finalizer off it.",
    )


def _obey_invalid(snapshot: Snapshot, error: ValueError, now: datetime) -> Action:
    """Say what is wrong with the spec; a CronJob of an earlier one goes on unless suspended."""
    schedule, cron_job, message = snapshot.schedule, snapshot.cron_job, str(error)
    if cron_job and cron_job.belongs_to(schedule):
        stopped = cron_job.spec_hash == STOPPED
        if schedule.spec.get("suspend") and not stopped and not cron_job.deleting:
            return SuspendCronJob()
        does = "is suspended" if stopped else "goes on by the spec before"
        message += f"; until then CronJob {cron_job.name} {does}"
    ready = Verdict("False", conditions.INVALID_SPEC, message)
    return _report(snapshot, None, ready, now)


def _write_cron_job(
    snapshot: Snapshot, action: CreateCronJob | ReplaceCronJob, now: datetime
) -> Action:
    """Do *action*, unless the API server just refused it or it would follow hard on another."""
    desired, refusal, written = action.desired, snapshot.refusal, snapshot.written
    if refusal and refusal.spec_hash == desired.spec_hash:
        until = refusal.since + ASK_AGAIN
        if refusal.since <= now < until:
            ready = Verdict("False", refusal.reason, refusal.message)
            return _at_the_latest(until, _report(snapshot, None, ready, now))
    if written and written.spec_hash == desired.spec_hash:
        until = written.time + REPAIR_PAUSE
        if written.time <= now < until:
            return _at_the_latest(until, _report(snapshot, desired, _in_effect(desired), now))
    return action


def _at_the_latest(until: datetime, action: Action) -> Action:
    return Wait(min(action.until or until, until)) if isinstance(action, Wait) else action


def _differs(snapshot: Snapshot, desired: Desired) -> bool:
    cron_job = snapshot.cron_job
    return cron_job is not None and (
        cron_job.spec_hash != desired.spec_hash
        or cron_job.generation != snapshot.expected_generation
        or {cron_job.owner, cron_job.schedule_uid} != {snapshot.schedule.uid}
    )


def _report(snapshot: Snapshot, desired: Desired | None, ready: Verdict, now: datetime) -> Action:
    """Write the status if it says something new; *desired* only where Kubernetes carries it out."""
    if jobs := overdue(snapshot, now):
        return ReadPods(jobs)  # in one step: nodes that go take the Pods of many with them
    entries, existing, look_again = to_record(snapshot, now)
    schedule, time = snapshot.schedule, format_time(now)
    limit = schedule.spec.get("historyLimit", DEFAULT_HISTORY)
    recorded = history.record(schedule.status, entries, existing, limit, time)
    verdicts = {"Ready": ready, **conditions.healthy(recorded["history"])}
    stored_conditions = schedule.status.get("conditions", ())
    status: JSON = {
        "observedGeneration": schedule.generation,
        "conditions": conditions.merge(stored_conditions, verdicts, schedule.generation, time),
        **recorded,
        "runRequests": run_requests(snapshot),
    }
    missed: tuple[datetime, ...] = ()
    if desired:
        status["cronJobName"] = desired.manifest["metadata"]["name"]
        status["cronJobGeneration"] = snapshot.expected_generation
        status["schedule"] = desired.ticks.expression
        judged = _add_ticks(snapshot, desired, status, look_again, now)
        if judged is None:
            return ReadJobs()
        missed = judged
    status = {name: value for name, value in status.items() if not _is_nothing(value)}
    if _says_more(status, schedule.status, now):
        return WriteStatus(status, missed)
    return Wait(min(look_again, default=None))


def _add_ticks(
    snapshot: Snapshot, desired: Desired, status: JSON, look_again: list[datetime], now: datetime
) -> tuple[datetime, ...] | None:
    """Add to *status* what the ticks are about; return those that turn out to be missed.

    None where that cannot be said before the Jobs are listed.
    """
    if desired.spec.suspend:
        return ()
    status["settledUntil"] = format_time(now)
    if upcoming := desired.ticks.next_tick(now):
        status["nextRunTime"] = format_time(upcoming)
        look_again.append(upcoming + NEXT_RUN_GRACE)
    stored = snapshot.schedule.status
    settled_until = parse_time(stored.get("settledUntil", ""))
    if settled_until is None:
        return ()
    if stored.get("observedGeneration") != status["observedGeneration"]:
        return ()
    since = [settled_until, snapshot.working_since - journal_span(desired.ticks)]
    if created := parse_time(snapshot.schedule.created):
        since.append(created)  # a restored status may speak of older ticks
    deadline = timedelta(seconds=desired.spec.starting_deadline_seconds)
    judgement = judge(
        desired.ticks,
        min(max(since), now),
        now,
        snapshot.jobs_listed,
        deadline,
        _started(snapshot, status),
    )
    if judgement.open_tick:
        open_until = judgement.open_tick + deadline + NEWS_GRACE
        if open_until <= now:
            return None
        look_again.append(open_until)
    status["settledUntil"] = format_time(judgement.settled_until)
    status["counts"]["missed"] += len(judgement.missed)
    return judgement.missed


def _started(snapshot: Snapshot, status: JSON) -> set[datetime]:
    """Return the ticks that have a Job, or had one."""
    recorded = {run["scheduledTime"] for run in status["history"] if "scheduledTime" in run}
    known = {run.job.scheduled_time for run, _ in snapshot.runs if run.job.scheduled_time}
    return {tick for tick in map(parse_time, recorded | known) if tick}


def _is_nothing(value: Any) -> bool:
    """Whether *value* is what a reader takes for granted: the API server pays for every field."""
    return not (any(value.values()) if isinstance(value, dict) else value)


def _says_more(status: JSON, stored: Mapping[str, Any], now: datetime) -> bool:
    """Whether *status* is worth a write.

    What Kubernetes' clean-up alone changes (``recorded``) is not, nor ticks that merely went by,
    nor a next run that moved on while the run of its tick is about to bring a write anyway.
    """
    ignored = {"recorded", "settledUntil"}
    before, after = stored.get("nextRunTime"), status.get("nextRunTime")
    if before and after and format_time(now - NEXT_RUN_GRACE) < before <= after:
        ignored.add("nextRunTime")
    return _without(status, ignored) != _without(stored, ignored)


def _without(status: Mapping[str, Any], ignored: set[str]) -> JSON:
    return {name: value for name, value in status.items() if name not in ignored}
