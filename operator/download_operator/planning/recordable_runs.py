"""Which runs are worth recording now, which later, and which need news first. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

from download_operator.cache.objects import Job, Pod
from download_operator.cache.snapshot import Run, Snapshot
from download_operator.planning.history_entry import (
    build_entry,
    is_result_missing,
    with_wait,
    without_pod,
)
from download_schedule import history
from download_schedule.model import State, WaitFor
from download_schedule.types import JSONObject

PENDING_GRACE: Final = timedelta(seconds=5)
"""A run that starts within this time costs no status write for having been pending."""
PENDING_PATIENCE: Final = timedelta(seconds=20)
"""The same for a run that merely takes its time: nothing is known to be in its way."""
PENDING_SPREAD: Final = timedelta(seconds=20)
"""Each run waits up to this much longer, by a share of its own. When a thousand schedules fire at
one tick, the first runs that end must not queue behind a thousand writes."""
RESULT_GRACE: Final = timedelta(seconds=5)
"""How long to wait for the Pod's final event after the Job finishes, before listing Pods."""


class RecordableRuns(NamedTuple):
    """What to do about the runs of a schedule that its status has not counted."""

    entries: list[JSONObject]
    """History entries to record now."""
    needs_pods: list[Job]
    """Jobs that are over, and whose Pods should have been observed by now."""
    revisit_at: datetime | None
    """When the first of the others may be worth recording."""


class _Assessment(NamedTuple):
    """The same for one run. By default there is nothing to do before the next event."""

    entry: JSONObject | None = None
    revisit_at: datetime | None = None
    needs_pods: Job | None = None


def find_recordable_runs(
    snapshot: Snapshot, now: datetime, wait_for: WaitFor | None = None
) -> RecordableRuns:
    """Assess every run that the status has not counted.

    Args:
        snapshot: what is known of the schedule.
        now: the present.
        wait_for: how long its runs wait for a file that is late.
    """
    status = snapshot.schedule.status
    stored = {entry["id"]: entry for entry in status.get("history", ())}
    counted = history.counted(status)
    assessments = [
        _assess(run, pods, stored.get(run.job.uid), now, wait_for)
        for run, pods in snapshot.runs
        if run.job.uid not in counted
    ]
    return RecordableRuns(
        entries=[entry for entry, _, _ in assessments if entry],
        needs_pods=[job for _, _, job in assessments if job],
        revisit_at=min([time for _, time, _ in assessments if time], default=None),
    )


def _assess(
    run: Run,
    pods: tuple[Pod, ...],
    stored: Mapping[str, Any] | None,
    now: datetime,
    wait_for: WaitFor | None,
) -> _Assessment:
    """Assess one run that the status has not counted; *stored* is its entry in the status."""
    # If the clock was set back, waiting would delay the record by the size of the jump.
    clock_was_set_back = max(run.appeared_at, run.ended_at or run.appeared_at) > now
    if run.ended_at and not run.pods_listed and is_result_missing(run.job, pods):
        due_at = _pods_due_at(run.job, pods, run.ended_at)
        if due_at <= now or clock_was_set_back:
            return _Assessment(needs_pods=run.job)
        return _Assessment(revisit_at=due_at)
    is_between = _is_between_attempts(run.job, pods)
    if stored and is_between:
        return _Assessment()
    entry = build_entry(run.job, pods, stored)
    entry = with_wait(entry, wait_for) if wait_for else entry
    if not stored and not clock_was_set_back:
        ready_at = _ready_at(run, entry, is_between)
        if ready_at > now:
            return _Assessment(revisit_at=ready_at)
    return _with_missing_pod(run, entry, now)


def _pods_due_at(job: Job, pods: tuple[Pod, ...], ended_at: datetime) -> datetime:
    """Return when to list the Pods of a Job that is over.

    The last event of a Pod that we know is on its way. A Pod that we do not know may be gone, and
    its events may never come.
    """
    return ended_at + RESULT_GRACE if len(pods) >= job.attempts else ended_at


def _is_between_attempts(job: Job, pods: tuple[Pod, ...]) -> bool:
    """Return whether all Pods have ended but the Job has not.

    Its end or another Pod is a moment away.
    """
    return job.outcome is None and bool(pods) and all(pod.exit_code is not None for pod in pods)


def _ready_at(run: Run, entry: JSONObject, is_between: bool) -> datetime:
    """Return when a run is first worth recording: waiting a little saves a write."""
    if entry["state"] != State.PENDING and not is_between:
        return run.appeared_at
    if run.job.token or run.job.scheduled_time is None:
        return run.appeared_at  # somebody requested it and is watching
    if "reason" in entry and not is_between:
        return run.appeared_at + PENDING_GRACE
    return _patience_ends_at(run)


def _with_missing_pod(run: Run, entry: JSONObject, now: datetime) -> _Assessment:
    """Record *entry*; if the run has had no Pod for long, say so."""
    if entry["state"] != State.PENDING or entry["attempts"]:
        return _Assessment(entry)
    if now < _patience_ends_at(run):
        return _Assessment(entry, revisit_at=_patience_ends_at(run))
    return _Assessment(without_pod(entry))


def _patience_ends_at(run: Run) -> datetime:
    share = crc32(run.job.uid.encode()) / 2**32
    return run.appeared_at + PENDING_PATIENCE + PENDING_SPREAD * share
