"""Runs asked for by annotation: whether to start one, and which have had theirs. Pure."""

from download_operator.cache.cache import Snapshot
from download_operator.cache.objects import CronJob, Schedule
from download_operator.manifests.cron_job import Desired, manual_job
from download_operator.planning.actions import Action, StartRun, StopRun
from download_schedule.model import MAX_RUN_REQUESTS, ConcurrencyPolicy
from download_schedule.names import manual_job_name, run_request


def requested_run(snapshot: Snapshot, desired: Desired, cron_job: CronJob) -> Action | None:
    """Return what brings the run asked for, unless it was or has to wait for another to end."""
    schedule = snapshot.schedule
    request = open_request(schedule)
    if request is None or _has_job(snapshot, request):
        return None
    going = [run.job for run, _ in snapshot.runs if run.job.outcome is None]
    policy = desired.spec.concurrency_policy
    if going and policy is ConcurrencyPolicy.FORBID:
        return None
    if going and policy is ConcurrencyPolicy.REPLACE:
        return StopRun(going[0])
    return StartRun(manual_job(schedule, desired, cron_job, request))


def open_request(schedule: Schedule) -> str | None:
    """Return the request for a run that the status does not know to have had its run."""
    if not schedule.run_requested:
        return None
    request = run_request(schedule.uid, schedule.run_requested)
    return None if request in schedule.status.get("runRequests", ()) else request


def _has_job(snapshot: Snapshot, request: str) -> bool:
    name = manual_job_name(snapshot.schedule.name, request)
    return any(run.job.name == name for run, _ in snapshot.runs)


def run_requests(snapshot: Snapshot) -> list[str]:
    """Return the requests that have had their run, newest first."""
    known: list[str] = list(snapshot.schedule.status.get("runRequests", ()))
    request = open_request(snapshot.schedule)
    if request and _has_job(snapshot, request):
        known.insert(0, request)
    return known[:MAX_RUN_REQUESTS]
