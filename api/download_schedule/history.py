"""Status rules: how runs enter a schedule's history and its counters.

Pure functions over the plain JSON of ``status``, which :class:`download_schedule.model.Status`
describes. Times are RFC 3339 in UTC with whole seconds, so that their text sorts as they do.

A run is counted in the one write that first makes it terminal. What has been counted is what the
status says: the terminal runs in ``history``, and the ids in ``recorded``, which are those pushed
out of ``history`` while their Job still exists. No clock and no order of events takes part in it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from download_schedule.model import MAX_HISTORY, State

JSON = dict[str, Any]

JOB_DELETED: Final = "JobDeleted"
NO_POD: Final = "NoPod"
"""Reason of a run that has waited long without a Pod; what a Pod then says is more."""

_NOT_YET: Final = "~"
"""Sorts after every time."""
_TERMINAL: Final = frozenset(state for state in State if state.terminal)


def is_terminal(run: Mapping[str, Any]) -> bool:
    """Whether nothing more will happen to *run*."""
    return run["state"] in _TERMINAL


def counted(status: Mapping[str, Any]) -> set[str]:
    """Return the ids of the runs that are terminal in *status* and in its counters."""
    terminal = {run["id"] for run in status.get("history", ()) if is_terminal(run)}
    return terminal.union(status.get("recorded", ()))


def record(
    status: Mapping[str, Any], runs: Iterable[JSON], existing: Collection[str], limit: int, now: str
) -> JSON:
    """Return the members of ``status`` that its runs decide, after seeing *runs*.

    Args:
        status: what is stored now.
        runs: entries of runs; those already counted change nothing.
        existing: ids of all runs whose Job exists or vanished without having been counted. A
            stored run that is neither there nor terminal has lost its Job unseen: it ``Failed``.
        limit: ``spec.historyLimit``, 1 to 100: runs that are over.
        now: completion time of runs whose Job vanished.
    """
    stored = {run["id"]: run for run in status.get("history", ())}
    before = counted(status)
    fresh = {
        run["id"]: _settled(stored.get(run["id"]), run) for run in runs if run["id"] not in before
    }
    lost = {
        uid: _vanished(run, now)
        for uid, run in stored.items()
        if uid not in before and uid not in existing
    }
    finished = [run for run in (fresh | lost).values() if is_terminal(run)]
    history = _newest((stored | fresh | lost).values(), limit)
    kept = {run["id"] for run in history}
    done = before.union(run["id"] for run in finished)
    return {
        "active": sum(not is_terminal(run) for run in history),
        "history": history,
        "recorded": sorted(uid for uid in done - kept if uid in existing),
        **_totals(status, finished, history),
        **_latest(status, [*history, *finished]),
    }


def _settled(stored: JSON | None, run: JSON) -> JSON:
    """Keep what is stored while it says enough: progress alone is not worth a write.

    A run moves on, never back; one that cannot start may say why, once.
    """
    if stored is None or is_terminal(run):
        return run
    moves_on = stored["state"] == State.PENDING and run["state"] == State.RUNNING
    waits = stored["state"] == run["state"] == State.PENDING
    before, after = stored.get("reason"), run.get("reason")
    explains = waits and after not in (None, before) and before in (None, NO_POD)
    return run if moves_on or explains else stored


def _vanished(run: JSON, now: str) -> JSON:
    return {
        **run,
        "state": State.FAILED.value,
        "completionTime": now,
        "reason": JOB_DELETED,
        "message": "The Job was deleted before its result was recorded.",
    }


def _newest(runs: Iterable[JSON], limit: int) -> list[JSON]:
    """Newest first: all that is going on, and *limit* of what is over.

    What is going on takes no room from the rest, for a run pushed out does not come back: the
    history would tell in which order runs of one time were heard of.
    """
    ordered = sorted(runs, key=_age, reverse=True)
    active = sum(not is_terminal(run) for run in ordered)
    room = min(limit, MAX_HISTORY - active)
    kept: list[JSON] = []
    for run in ordered:
        if is_terminal(run):
            if room <= 0:
                continue
            room -= 1
        kept.append(run)
    return kept[:MAX_HISTORY]


def _age(run: JSON) -> tuple[str, str, str]:
    """Tell runs apart that began in one second, the unit of Kubernetes' times: by their ends."""
    return _start(run), _end(run) or _NOT_YET, run["id"]


def _start(run: Mapping[str, Any]) -> str:
    """A run without a time was written by hand; it counts as the oldest."""
    return run.get("startTime") or ""


def _end(run: Mapping[str, Any]) -> str:
    return run.get("completionTime") or ""


def _totals(status: Mapping[str, Any], finished: list[JSON], history: list[JSON]) -> JSON:
    counts = {"completed": 0, "failed": 0, "missed": 0, **status.get("counts", {})}
    completed = [_end(run) for run in finished if run["state"] == State.COMPLETED]
    failed = {run["id"]: _end(run) for run in finished if _has_failed(run)}
    counts["completed"] += len(completed)
    counts["failed"] += len(failed)
    success = status.get("lastSuccessTime", "")
    failures = status.get("consecutiveFailures", 0)
    if completed and max(completed) >= success:  # runs that go on side by side end in any order
        known = failed | {run["id"]: _end(run) for run in history if _has_failed(run)}
        failures = sum(time > max(completed) for time in known.values())
    else:
        failures += sum(time >= success for time in failed.values())
    return {"counts": counts, "consecutiveFailures": failures}


def _has_failed(run: Mapping[str, Any]) -> bool:
    return bool(run["state"] == State.FAILED)


def _latest(status: Mapping[str, Any], runs: list[JSON]) -> JSON:
    """Times that never go back, whatever is pushed out of the history."""
    started = [_start(run) for run in runs]
    succeeded = [_end(run) for run in runs if run["state"] == State.COMPLETED]
    latest = {
        "lastRunTime": max([*started, status.get("lastRunTime", "")]),
        "lastSuccessTime": max([*succeeded, status.get("lastSuccessTime", "")]),
    }
    return {name: time for name, time in latest.items() if time}
