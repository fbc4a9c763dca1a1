"""Status rules: how runs enter a schedule's history and its counters.

Pure functions over the plain JSON of ``status``, which :class:`download_schedule.model.Status`
describes. Times are RFC 3339 in UTC with whole seconds, so that their texts sort as they do.

A run is counted in the one write that first makes it terminal. The status itself says which runs
have been counted: the terminal ones in ``history``, and the ids in ``recorded``. Those are the
runs that no longer fit into ``history`` while their Job still exists. Neither the clock nor the
order of events decides what is counted.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from download_schedule.model import MAX_HISTORY, State
from download_schedule.types import JSONObject

JOB_DELETED: Final = "JobDeleted"
"""Reason: the Job was deleted before it was over, or before its result was recorded."""
NO_POD: Final = "NoPod"
"""Reason: Kubernetes has created no Pod for 20 to 40 seconds, perhaps because of a quota, a limit
range, Pod Security or a webhook. `kubectl describe job` says more. The run is still pending, and a
reason that comes from a Pod replaces this one."""

SKIPPED_SHARE: Final = 4
"""Of the finished runs in a history, one in so many may be skipped, and at least one. Otherwise a
holiday of a schedule that fires every few minutes would push out all others."""

_AFTER_EVERY_TIME: Final = "~"
"""Sorts after every RFC 3339 time."""
_TERMINAL_STATES: Final = frozenset(state for state in State if state.is_terminal)


def is_terminal(run: Mapping[str, Any]) -> bool:
    """Return whether *run* is over, so that its entry does not change any more."""
    return run["state"] in _TERMINAL_STATES


def counted(status: Mapping[str, Any]) -> set[str]:
    """Return the ids of the runs that *status* has counted as completed, failed or skipped."""
    terminal = {run["id"] for run in status.get("history", ()) if is_terminal(run)}
    return terminal.union(status.get("recorded", ()))


def record(
    status: Mapping[str, Any],
    runs: Iterable[JSONObject],
    existing: Collection[str],
    limit: int,
    now: str,
) -> JSONObject:
    """Return those members of ``status`` that depend on its runs, with *runs* added.

    Args:
        status: the stored status.
        runs: entries of runs. Those already counted change nothing.
        existing: ids of the runs whose Job still exists, or was deleted before its run was counted.
            A stored run that is not among them and not terminal has lost its Job: it ``Failed``.
        limit: ``spec.historyLimit``, 1 to 100: how many finished runs to keep.
        now: completion time of runs that have lost their Job.
    """
    stored = {run["id"]: run for run in status.get("history", ())}
    updated = {run["id"]: run for run in updated_runs(status, runs, existing, now)}
    finished = [run for run in updated.values() if is_terminal(run)]
    history = _newest((stored | updated).values(), limit)
    in_history = {run["id"] for run in history}
    now_counted = counted(status).union(run["id"] for run in finished)
    return {
        "active": sum(not is_terminal(run) for run in history),
        "history": history,
        "recorded": sorted(uid for uid in now_counted - in_history if uid in existing),
        **_totals(status, finished, history),
        **_latest_times(status, [*history, *finished]),
    }


def updated_runs(
    status: Mapping[str, Any], runs: Iterable[JSONObject], existing: Collection[str], now: str
) -> list[JSONObject]:
    """Return the entries of the runs that :func:`record` adds, moves on, or declares lost.

    The arguments are those of :func:`record`. The history may be too short to keep all of them.
    """
    stored = {run["id"]: run for run in status.get("history", ())}
    already_counted = counted(status)
    updated = [
        _merge(stored.get(run["id"]), run) for run in runs if run["id"] not in already_counted
    ]
    lost = [
        _as_deleted(run, now)
        for uid, run in stored.items()
        if uid not in already_counted and uid not in existing
    ]
    return [*updated, *lost]


def _merge(stored: JSONObject | None, run: JSONObject) -> JSONObject:
    """Return *run*, or *stored* if *run* says nothing new that is worth a write.

    A run moves on to another state, but never back. One that waits for its start may say why, once.
    """
    if stored is None or is_terminal(run):
        return run
    moves_on = stored["state"] == State.PENDING and run["state"] == State.RUNNING
    waits = stored["state"] == run["state"] == State.PENDING
    old_reason, new_reason = stored.get("reason"), run.get("reason")
    explains = waits and new_reason not in (None, old_reason) and old_reason in (None, NO_POD)
    return run if moves_on or explains else stored


def _as_deleted(run: JSONObject, now: str) -> JSONObject:
    return {
        **run,
        "state": State.FAILED.value,
        "completionTime": now,
        "reason": JOB_DELETED,
        "message": "The Job was deleted before its result was recorded.",
    }


def _newest(runs: Iterable[JSONObject], limit: int) -> list[JSONObject]:
    """Return all active runs and the newest *limit* finished ones, newest first.

    Active runs do not count against the limit. Otherwise an active run could push out a finished
    one for good, and the history would depend on the order of events.
    """
    ordered = sorted(runs, key=_sort_key, reverse=True)
    active_count = sum(not is_terminal(run) for run in ordered)
    room = min(limit, MAX_HISTORY - active_count)
    skipped_room = max(limit // SKIPPED_SHARE, 1)
    newest: list[JSONObject] = []
    for run in ordered:
        if is_terminal(run):
            is_skipped = run["state"] == State.SKIPPED
            if room <= 0 or (is_skipped and skipped_room <= 0):
                continue
            room -= 1
            skipped_room -= is_skipped
        newest.append(run)
    return newest[:MAX_HISTORY]


def _sort_key(run: JSONObject) -> tuple[str, str, str]:
    """Sort by start; then by end, because many runs start within the same second."""
    return _start(run), _end(run) or _AFTER_EVERY_TIME, run["id"]


def _start(run: Mapping[str, Any]) -> str:
    """Return the start time, or an empty text for a run that somebody wrote without one."""
    return run.get("startTime") or ""


def _end(run: Mapping[str, Any]) -> str:
    return run.get("completionTime") or ""


def _totals(
    status: Mapping[str, Any], finished: list[JSONObject], history: list[JSONObject]
) -> JSONObject:
    counts = {"completed": 0, "failed": 0, "missed": 0, **status.get("counts", {})}
    completed = [_end(run) for run in finished if run["state"] == State.COMPLETED]
    failed = {run["id"]: _end(run) for run in finished if _has_failed(run)}
    counts["completed"] += len(completed)
    counts["failed"] += len(failed)
    # Only what is set: a schedule without exclude needs no new status.
    if skipped := sum(run["state"] == State.SKIPPED for run in finished):
        counts["skipped"] = counts.get("skipped", 0) + skipped
    last_success = status.get("lastSuccessTime", "")
    failures = status.get("consecutiveFailures", 0)
    # Runs can overlap, so a failure may end before a success that was recorded earlier.
    if completed and max(completed) >= last_success:
        all_failed = failed | {run["id"]: _end(run) for run in history if _has_failed(run)}
        failures = sum(time > max(completed) for time in all_failed.values())
    else:
        failures += sum(time >= last_success for time in failed.values())
    return {"counts": counts, "consecutiveFailures": failures}


def _has_failed(run: Mapping[str, Any]) -> bool:
    return bool(run["state"] == State.FAILED)


def _latest_times(status: Mapping[str, Any], runs: list[JSONObject]) -> JSONObject:
    """Return times that never move back, even if the run that set them leaves the history."""
    started = [_start(run) for run in runs]
    succeeded = [_end(run) for run in runs if run["state"] == State.COMPLETED]
    latest = {
        "lastRunTime": max([*started, status.get("lastRunTime", "")]),
        "lastSuccessTime": max([*succeeded, status.get("lastSuccessTime", "")]),
    }
    return {name: time for name, time in latest.items() if time}
