"""Runs requested by annotation: whether to start one, and which requests had their run. Pure."""

from download_operator.cache.objects import CronJob, Schedule
from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import DesiredState
from download_operator.manifests.run_jobs import build_manual_job
from download_operator.planning.actions import StartRun, StopRun
from download_schedule.model import MAX_RUN_REQUESTS, ConcurrencyPolicy
from download_schedule.names import manual_job_name, run_request


def start_requested_run(
    snapshot: Snapshot, desired: DesiredState, cron_job: CronJob
) -> StartRun | StopRun | None:
    """Return the next step towards the requested run.

    None if there is no request, if it has had its run, or if it has to wait for another run.
    """
    schedule = snapshot.schedule
    request = _open_request(schedule)
    if request is None or _has_job(snapshot, request):
        return None
    active = [run.job for run, _ in snapshot.runs if run.job.outcome is None]
    policy = desired.spec.concurrency_policy
    if active and policy is ConcurrencyPolicy.FORBID:
        return None
    if active and policy is ConcurrencyPolicy.REPLACE:
        return StopRun(active[0])
    return StartRun(build_manual_job(schedule, desired, cron_job, request))


def handled_requests(snapshot: Snapshot) -> list[str]:
    """Return the requests that have had their run, newest first."""
    requests: list[str] = list(snapshot.schedule.status.get("runRequests", ()))
    request = _open_request(snapshot.schedule)
    if request and _has_job(snapshot, request):
        requests.insert(0, request)
    return requests[:MAX_RUN_REQUESTS]


def _open_request(schedule: Schedule) -> str | None:
    """Return the request that, as far as the status shows, has not had its run."""
    if not schedule.run_requested:
        return None
    request = run_request(schedule.uid, schedule.run_requested)
    return None if request in schedule.status.get("runRequests", ()) else request


def _has_job(snapshot: Snapshot, request: str) -> bool:
    name = manual_job_name(snapshot.schedule.name, request)
    return any(run.job.name == name for run, _ in snapshot.runs)
