"""Compare the statuses with what really happened. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from download_schedule.cron import parse
from download_schedule.ledger import Ledger, Outcome
from download_schedule.timestamps import format_time
from tests.chaos.simulated_runs import COMPLETED, FAILED, RunEnd


def violations(name: str, status: Mapping[str, Any], ends: Iterable[RunEnd]) -> list[str]:
    """Return what is wrong with one schedule's status, a sentence each."""
    expected = {end.id: end for end in ends}
    history = status.get("history", [])
    ids = [run["id"] for run in history]
    sentences = [f"{expected[uid].job} is missing" for uid in expected.keys() - set(ids)]
    sentences += [f"{uid} is not one of its runs" for uid in set(ids) - expected.keys()]
    sentences += [f"{uid} is recorded twice" for uid in set(ids) if ids.count(uid) > 1]
    for run in history:
        if run["id"] in expected:
            sentences += _differences(run, expected[run["id"]])
    if history != sorted(history, key=_age, reverse=True):
        sentences.append("the history is not sorted, newest first")
    completed = sum(end.state == COMPLETED for end in expected.values())
    counts = {"completed": completed, "failed": len(expected) - completed, "missed": 0}
    if status.get("counts") != counts and expected:
        sentences.append(f"counts are {status.get('counts')}, not {counts}")
    if status.get("active"):
        sentences.append(f"{status['active']} runs are still active")
    sentences += _wrong_letters(status, expected.values())
    return [f"{name}: {sentence}" for sentence in sentences]


def is_settled(status: Mapping[str, Any], ends: Iterable[RunEnd]) -> bool:
    """Return whether the status shows the end of every run."""
    ended = {run["id"] for run in status.get("history", []) if run["state"] in (COMPLETED, FAILED)}
    return ended >= {end.id for end in ends}


def _wrong_letters(status: Mapping[str, Any], ends: Iterable[RunEnd]) -> list[str]:
    """Compare the ledger with the runs: each is the only one of its tick."""
    if "ticks" not in status:
        return ["there is no ledger"]
    members = status["ticks"]
    ledger = Ledger.read(status, parse(members["schedule"], members["timeZone"]))
    letters = {format_time(tick): outcome for tick, outcome in ledger.between()}
    expected = {end.tick: Outcome.of_state(end.state) for end in ends}
    runs = (Outcome.COMPLETED, Outcome.FAILED, Outcome.RUNNING)
    return [
        f"the letter of {time} is {letters.get(time)}, not {expected.get(time)}"
        for time in letters.keys() | expected.keys()
        if letters.get(time) != expected.get(time) and (time in expected or letters[time] in runs)
    ]


def _age(run: Mapping[str, Any]) -> tuple[str, str, str]:
    return run["startTime"], run.get("completionTime", "~"), run["id"]


def _differences(run: Mapping[str, Any], end: RunEnd) -> list[str]:
    expected = {
        "job": end.job,
        "state": end.state,
        "reason": end.reason,
        "bytes": end.bytes,
        "startTime": end.start or run.get("startTime"),
        "attempts": run.get("attempts") if end.attempts is None else end.attempts,
    }
    return [
        f"{end.job}: {field} is {run.get(field)!r}, not {value!r}"
        for field, value in expected.items()
        if run.get(field) != value
    ]
