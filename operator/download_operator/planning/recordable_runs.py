"""Decide which runs are worth recording now, and which need news first. Pure."""

from datetime import datetime, timedelta
from typing import Any, Final
from zlib import crc32

from download_operator.cache.cache import Run, Snapshot
from download_operator.cache.objects import Job, Pod
from download_operator.planning.history_entry import result_is_missing, run_of, without_pod
from download_schedule import history
from download_schedule.model import State

JSON = dict[str, Any]

PENDING_GRACE: Final = timedelta(seconds=5)
"""A run that starts within it costs no status write of its own for having been pending."""
PENDING_PATIENCE: Final = timedelta(seconds=20)
"""The same for a run that merely takes its time: nothing is known to be in its way."""
PENDING_SPREAD: Final = timedelta(seconds=20)
"""Each of those waits a while of its own on top: when a thousand schedules fire at one tick, the
first ends are not to queue behind a thousand writes."""
RESULT_GRACE: Final = timedelta(seconds=5)
"""How long the Pod's last word may come after the news that its Job is over, unasked."""


def to_record(snapshot: Snapshot, now: datetime) -> tuple[list[JSON], set[str], list[datetime]]:
    """Return the entries to record, the ids of all runs, and when to look at a run again."""
    told = {run["id"]: run for run in snapshot.schedule.status.get("history", ())}
    done = history.counted(snapshot.schedule.status)
    entries: list[JSON] = []
    look_again: list[datetime] = []
    for run, pods in snapshot.runs:
        if run.job.uid in done:
            continue
        stored = run.job.uid in told
        if stored and _is_between_attempts(run.job, pods):
            continue
        entry = run_of(run.job, pods, told.get(run.job.uid))
        ready_at = _ready_at(run, pods, entry, stored)
        if ready_at > now and not _clock_was_set_back(run, now):
            look_again.append(ready_at)
        elif entry["state"] != State.PENDING or entry["attempts"]:
            entries.append(entry)
        elif now < _end_of_patience(run):
            entries.append(entry)
            look_again.append(_end_of_patience(run))
        else:
            entries.append(without_pod(entry))
    return entries, {run.job.uid for run, _ in snapshot.runs}, look_again


def overdue(snapshot: Snapshot, now: datetime) -> tuple[Job, ...]:
    """Return the Jobs that are over, and whose Pods should have been heard of by now."""
    done = history.counted(snapshot.schedule.status)
    return tuple(
        run.job
        for run, pods in snapshot.runs
        if run.job.uid not in done
        and _is_short_of_news(run, pods)
        and (_news_due(run, pods) <= now or _clock_was_set_back(run, now))
    )


def _is_between_attempts(job: Job, pods: tuple[Pod, ...]) -> bool:
    """Whether its Pods have ended and it has not: its end, or another Pod, is a moment away."""
    return job.outcome is None and bool(pods) and all(pod.exit_code is not None for pod in pods)


def _clock_was_set_back(run: Run, now: datetime) -> bool:
    """Whether what the run waits for would be as late as the clock was wrong."""
    return max(run.appeared, run.ended or run.appeared) > now


def _news_due(run: Run, pods: tuple[Pod, ...]) -> datetime:
    """Return when to ask for the Pods of a run that is over.

    The last event of a Pod that we know is on its way; of one that we do not, none may ever come:
    it may be gone.
    """
    ended = run.ended or run.appeared
    return ended + RESULT_GRACE if len(pods) >= run.job.attempts else ended


def _is_short_of_news(run: Run, pods: tuple[Pod, ...]) -> bool:
    return run.ended is not None and not run.pods_read and result_is_missing(run.job, pods)


def _ready_at(run: Run, pods: tuple[Pod, ...], entry: JSON, stored: bool) -> datetime:
    """Return when the entry is worth recording; waiting a little saves a write or a result."""
    if run.ended and _is_short_of_news(run, pods):
        return _news_due(run, pods)
    between = _is_between_attempts(run.job, pods)
    if stored or not (between or entry["state"] == State.PENDING):
        return run.appeared
    if run.job.scheduled_time is None:
        return run.appeared  # somebody asked for it and is looking
    if "reason" in entry and not between:
        return run.appeared + PENDING_GRACE
    return _end_of_patience(run)


def _end_of_patience(run: Run) -> datetime:
    share = crc32(run.job.uid.encode()) / 2**32
    return run.appeared + PENDING_PATIENCE + PENDING_SPREAD * share
