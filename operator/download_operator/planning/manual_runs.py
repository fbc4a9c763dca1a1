"""Runs requested by annotation: whether to start one, and which requests are served. Pure."""

from datetime import datetime

from download_operator.cache.objects import CronJob, Job, Schedule
from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import DesiredState
from download_operator.manifests.run_jobs import (
    build_manual_job,
    build_tick_job,
    requested_by_hand,
)
from download_operator.planning.actions import StartRun, StopRun
from download_schedule.history import counted
from download_schedule.model import MAX_RUN_REQUESTS, ConcurrencyPolicy
from download_schedule.names import (
    MAX_TOKEN,
    RUN_REQUESTED_ANNOTATION,
    RUN_TICK_ANNOTATION,
    manual_job_name,
    run_request,
    tick_job_name,
)
from download_schedule.requested_tick import parse_requested_tick
from download_schedule.timestamps import format_time


def start_requested_run(
    snapshot: Snapshot, desired: DesiredState, cron_job: CronJob, now: datetime
) -> StartRun | StopRun | None:
    """Return the next step towards the requested run.

    None if there is no request, if it has had its run or is refused, or if it has to wait for
    another run.
    """
    schedule = snapshot.schedule
    request = _open_request(schedule)
    if request is None or _has_job(snapshot, request) or why_refused(snapshot, desired, now):
        return None
    tick = None
    if schedule.run_tick:
        tick = parse_requested_tick(schedule.run_tick, desired.cron, now)
        if is_under_way(snapshot, tick):
            return None
    active = [run.job for run, _ in snapshot.runs if run.job.outcome is None]
    policy = desired.spec.concurrency_policy
    if active and policy is ConcurrencyPolicy.FORBID:
        return None
    if active and policy is ConcurrencyPolicy.REPLACE:
        return StopRun(active[0])
    if tick is None:
        return StartRun(build_manual_job(schedule, desired, cron_job, request))
    name = name_of_run(snapshot, tick, manual_job_name(schedule.name, request))
    annotations = requested_by_hand(schedule)
    return StartRun(build_tick_job(schedule, desired, cron_job, tick, name, annotations))


def is_under_way(snapshot: Snapshot, tick: datetime) -> bool:
    """Return whether a run of *tick* is active, or over but not counted yet."""
    time = format_time(tick)
    of_tick = {
        run.job.uid
        for run, _ in snapshot.runs
        if run.job.scheduled_time == time and not run.is_recorded
    }
    return not of_tick <= counted(snapshot.schedule.status)


def name_of_run(snapshot: Snapshot, tick: datetime, otherwise: str) -> str:
    """Return the name of the Job for a run of *tick* while no other run of it is under way.

    It is the name that the CronJob controller gives the tick, so that the controller cannot start
    it as well; *otherwise* if an earlier run has that name.
    """
    name = tick_job_name(snapshot.schedule.name, tick)
    is_taken = any(run.job.name == name for run, _ in snapshot.runs)
    return otherwise if is_taken else name


def why_refused(snapshot: Snapshot, desired: DesiredState | None, now: datetime) -> str:
    """Return a sentence if the open request can never have its run, otherwise an empty text."""
    schedule = snapshot.schedule
    request = _open_request(schedule)
    if desired is None or request is None or not schedule.run_tick or _has_job(snapshot, request):
        return ""
    if len(schedule.run_requested) > MAX_TOKEN:
        return (
            f"{RUN_REQUESTED_ANNOTATION}: the token has more than {MAX_TOKEN} characters; with "
            f"{RUN_TICK_ANNOTATION}, write a shorter one."
        )
    try:
        parse_requested_tick(schedule.run_tick, desired.cron, now)
    except ValueError as error:
        return f"{RUN_TICK_ANNOTATION}: {error}, and a new token in {RUN_REQUESTED_ANNOTATION}."
    return ""


def handled_requests(snapshot: Snapshot, is_refused: bool) -> list[str]:
    """Return the requests that have had their run or are refused, newest first."""
    requests: list[str] = list(snapshot.schedule.status.get("runRequests", ()))
    request = _open_request(snapshot.schedule)
    if request and (is_refused or _has_job(snapshot, request)):
        requests.insert(0, request)
    return requests[:MAX_RUN_REQUESTS]


def _open_request(schedule: Schedule) -> str | None:
    """Return the request that, as far as the status shows, has not had its run."""
    if not schedule.run_requested:
        return None
    request = run_request(schedule.uid, schedule.run_requested)
    return None if request in schedule.status.get("runRequests", ()) else request


def _has_job(snapshot: Snapshot, request: str) -> bool:
    return any(_is_for(run.job, snapshot.schedule, request) for run, _ in snapshot.runs)


def _is_for(job: Job, schedule: Schedule, request: str) -> bool:
    """Return whether *job* is the run of a request. That of a tick may have the tick's name."""
    return (
        job.name == manual_job_name(schedule.name, request) or job.token == schedule.run_requested
    )
