"""Hold what the statuses say against the ledger. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.chaos.runs import COMPLETED, Ending

JSON = Mapping[str, Any]


def deviations(name: str, status: JSON, truth: Iterable[Ending]) -> list[str]:
    """Return everything that one schedule's status has wrong, a sentence each."""
    endings = {ending.id: ending for ending in truth}
    history = status.get("history", [])
    seen = [run["id"] for run in history]
    wrong = [f"{name}: {endings[uid].job} is lost" for uid in endings.keys() - set(seen)]
    wrong += [f"{name}: {uid} is no run of it" for uid in set(seen) - endings.keys()]
    wrong += [f"{name}: {uid} is there twice" for uid in set(seen) if seen.count(uid) > 1]
    for run in history:
        if run["id"] in endings:
            wrong += [f"{name}: {each}" for each in _differences(run, endings[run["id"]])]
    if history != sorted(history, key=_age, reverse=True):
        wrong.append(f"{name}: the history is not newest first")
    completed = sum(ending.state == COMPLETED for ending in endings.values())
    counts = {"completed": completed, "failed": len(endings) - completed, "missed": 0}
    if status.get("counts") != counts and endings:
        wrong.append(f"{name}: counts are {status.get('counts')}, not {counts}")
    if status.get("active"):
        wrong.append(f"{name}: {status['active']} runs are said to be active")
    return wrong


def _age(run: JSON) -> tuple[str, str, str]:
    return run["startTime"], run.get("completionTime", "~"), run["id"]


def _differences(run: JSON, truth: Ending) -> list[str]:
    expected = {
        "job": truth.job,
        "state": truth.state,
        "reason": truth.reason,
        "bytes": truth.bytes,
        "startTime": truth.start or run.get("startTime"),
        "attempts": run.get("attempts") if truth.attempts is None else truth.attempts,
    }
    return [
        f"{truth.job}: {field} is {run.get(field)!r}, not {value!r}"
        for field, value in expected.items()
        if run.get(field) != value
    ]


def is_settled(status: JSON, truth: Iterable[Ending]) -> bool:
    """Whether every run of the ledger is in the status, and over."""
    over = {run["id"] for run in status.get("history", []) if run["state"] in (COMPLETED, "Failed")}
    return over >= {ending.id for ending in truth}
