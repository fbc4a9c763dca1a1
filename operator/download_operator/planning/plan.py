"""Decide what to do next about one schedule. Pure: the same snapshot and time give the same action.

The reconciler carries the action out, puts the response into the cache and asks again, until there
is nothing to do but wait.
"""

from datetime import datetime, timedelta
from typing import Final

from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import (
    DesiredState,
    NamespaceRefusedError,
    ScheduleRefusedError,
)
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
from download_operator.planning.conditions import ConditionState
from download_operator.planning.manual_runs import start_requested_run, why_refused
from download_operator.planning.missed_ticks import NeedJobs, explain_missed, judge_ticks
from download_operator.planning.recordable_runs import find_recordable_runs
from download_operator.planning.status import build_status, expected_generation, is_worth_writing
from download_operator.planning.tick_ledger import build_ledger
from download_schedule import history
from download_schedule.cron import next_included_tick
from download_schedule.model import DEFAULT_HISTORY
from download_schedule.names import STOPPED
from download_schedule.timestamps import format_time

REFUSAL_PAUSE: Final = timedelta(seconds=60)
"""How long to wait after the API server refused a CronJob. What it objects to, such as a quota or a
name, may have gone."""
REPAIR_PAUSE: Final = timedelta(seconds=5)
"""Pause between two writes of the same CronJob: another controller may keep undoing them."""


def plan(
    snapshot: Snapshot,
    desired: DesiredState | ScheduleRefusedError,
    now: datetime,
    may_start_run: bool = True,
) -> Action | Wait:
    """Return the next action.

    Args:
        snapshot: what is known of the schedule.
        desired: what its spec asks for, or why it is refused.
        now: the time, with a time zone.
        may_start_run: whether a requested run may start; False if it was just refused.
    """
    cron_job = snapshot.cron_job
    if snapshot.schedule.is_deleting:
        return Wait(None)
    if isinstance(desired, ScheduleRefusedError):
        return _obey_refused_schedule(snapshot, desired, now)
    if cron_job is None:
        return _write_cron_job(snapshot, CreateCronJob(desired), now)
    if not cron_job.belongs_to(snapshot.schedule):
        ready = conditions.name_taken(cron_job.name, cron_job.owner_name)
        return _report(snapshot, None, ready, now)
    if cron_job.is_deleting:
        return _report(snapshot, None, conditions.cron_job_deleting(cron_job.name), now)
    if _needs_repair(snapshot, desired):
        return _write_cron_job(snapshot, ReplaceCronJob(desired), now)
    if may_start_run and (action := start_requested_run(snapshot, desired, cron_job, now)):
        return action
    return _report(snapshot, desired, _in_effect(desired, now), now)


def _in_effect(desired: DesiredState, now: datetime) -> ConditionState:
    if desired.spec.suspend:
        return conditions.SUSPENDED
    exclusion = desired.exclusion
    has_ticks = exclusion is None or next_included_tick(desired.cron, exclusion, now) is not None
    return conditions.scheduled(desired.manifest["metadata"]["name"], has_ticks)


def _obey_refused_schedule(
    snapshot: Snapshot, error: ScheduleRefusedError, now: datetime
) -> Action | Wait:
    """Report what is wrong with the schedule.

    The CronJob of an earlier spec stays in effect, unless the refused one is suspended or
    forbidden.
    """
    refused = conditions.invalid_spec
    if isinstance(error, NamespaceRefusedError):
        refused = conditions.namespace_refused
    schedule, cron_job = snapshot.schedule, snapshot.cron_job
    if cron_job is None or not cron_job.belongs_to(schedule):
        return _report(snapshot, None, refused(str(error)), now)
    must_stop = schedule.spec.get("suspend") or error.must_stop
    is_stopped = cron_job.spec_hash == STOPPED
    if must_stop and not is_stopped and not cron_job.is_deleting:
        return SuspendCronJob()
    state = "is suspended" if is_stopped else "still runs the previous spec"
    message = f"{error}; until then CronJob {cron_job.name} {state}"
    return _report(snapshot, None, refused(message), now)


def _needs_repair(snapshot: Snapshot, desired: DesiredState) -> bool:
    cron_job = snapshot.cron_job
    return cron_job is not None and (
        cron_job.spec_hash != desired.spec_hash
        or cron_job.generation != expected_generation(snapshot)
        or {cron_job.owner_uid, cron_job.schedule_uid} != {snapshot.schedule.uid}
    )


def _write_cron_job(
    snapshot: Snapshot, action: CreateCronJob | ReplaceCronJob, now: datetime
) -> Action | Wait:
    """Return *action*, unless the same CronJob was just refused or just written."""
    desired, refusal, last_write = action.desired, snapshot.refusal, snapshot.last_write
    if refusal and refusal.spec_hash == desired.spec_hash:
        until = refusal.time + REFUSAL_PAUSE
        if refusal.time <= now < until:
            ready = conditions.not_ready(refusal.reason, refusal.message)
            return _no_later_than(until, _report(snapshot, None, ready, now))
    if last_write and last_write.spec_hash == desired.spec_hash:
        until = last_write.time + REPAIR_PAUSE
        if last_write.time <= now < until:
            return _no_later_than(until, _report(snapshot, desired, _in_effect(desired, now), now))
    return action


def _no_later_than(until: datetime, action: Action | Wait) -> Action | Wait:
    return Wait(min(action.until or until, until)) if isinstance(action, Wait) else action


def _report(
    snapshot: Snapshot, desired: DesiredState | None, ready: ConditionState, now: datetime
) -> WriteStatus | ReadPods | ReadJobs | Wait:
    """Write the status if it has something new to say; *desired* only if it is in effect."""
    schedule = snapshot.schedule
    runs = find_recordable_runs(snapshot, now, desired.spec.wait_for if desired else None)
    if runs.needs_pods:
        return ReadPods(
            tuple(runs.needs_pods)
        )  # all in one step: a lost node takes many Pods with it
    existing = {run.job.uid for run, _ in snapshot.runs}
    limit = schedule.spec.get("historyLimit", DEFAULT_HISTORY)
    recorded = history.record(schedule.status, runs.entries, existing, limit, format_time(now))
    ticks = judge_ticks(snapshot, desired, recorded["history"], now)
    if isinstance(ticks, NeedJobs):
        return ReadJobs()
    refusal = why_refused(snapshot, desired, now)
    status = build_status(snapshot, desired, ready, recorded, ticks, refusal, now)
    if is_worth_writing(status, schedule.status, now):
        updated = history.updated_runs(schedule.status, runs.entries, existing, format_time(now))
        if ledger := build_ledger(snapshot, desired, updated, recorded, ticks, now):
            status["ticks"] = ledger
        missed = ticks.missed and explain_missed(ticks.missed, recorded["history"])
        return WriteStatus(status, missed or "", refusal)
    return Wait(min(filter(None, (runs.revisit_at, ticks.revisit_at)), default=None))
