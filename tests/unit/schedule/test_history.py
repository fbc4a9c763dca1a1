"""How runs enter the history and the counters."""

from itertools import permutations
from typing import Any

import pytest

from download_schedule.history import JOB_DELETED, NO_POD, counted, is_terminal, record

NOW = "2026-11-25T03:00:00Z"


def entry(uid: str, start: int, end: int | None = None, state: str = "Completed") -> dict[str, Any]:
    """Return the entry of a run; *start* and *end* are seconds, and without *end* it is running."""
    run = {"id": uid, "job": uid, "state": "Running", "startTime": f"2026-11-25T02:00:0{start}Z"}
    if end is None:
        return run
    return {**run, "state": state, "completionTime": f"2026-11-25T02:00:0{end}Z"}


def record_in_turn(*runs: dict[str, Any], limit: int = 100) -> dict[str, Any]:
    """Record one run after another, while the Jobs of all of them exist."""
    existing = {run["id"] for run in runs}
    status: dict[str, Any] = {}
    for run in runs:
        status = record(status, [run], existing, limit, NOW)
    return status


@pytest.mark.parametrize(
    "newest_first",
    [
        [entry("a", 2, 3), entry("z", 1, 9)],
        [entry("a", 1), entry("z", 1, 2)],
        [entry("a", 1, 3), entry("z", 1, 2)],
        [entry("z", 1, 2), entry("a", 1, 2)],
        [entry("a", 1), entry("z", 1, 3), entry("b", 1, 2)],
    ],
)
def test_history_is_sorted_by_start_then_by_end(newest_first: list[dict[str, Any]]) -> None:
    for runs in permutations(newest_first):
        assert record_in_turn(*runs)["history"] == newest_first


def test_run_is_counted_once() -> None:
    run = entry("a", 1, 2)
    status = record_in_turn(run, run)
    assert status["counts"] == {"completed": 1, "failed": 0, "missed": 0}
    assert counted(status) == {"a"}


def test_run_pushed_out_of_the_history_is_not_counted_again_while_its_job_exists() -> None:
    old, new = entry("old", 1, 2), entry("new", 3, 4)
    status = record_in_turn(old, new, old, limit=1)
    assert [run["id"] for run in status["history"]] == ["new"]
    assert status["recorded"] == ["old"]
    assert status["counts"]["completed"] == 2

    without_job = record(status, [], {"new"}, 1, NOW)
    assert without_job["recorded"] == []


def test_active_run_does_not_push_out_a_finished_one() -> None:
    status = record_in_turn(entry("finished", 1, 2), entry("active", 3), limit=1)
    assert [run["id"] for run in status["history"]] == ["active", "finished"]
    assert status["active"] == 1


def test_run_whose_job_is_gone_has_failed() -> None:
    status = record_in_turn(entry("a", 1))
    (run,) = record(status, [], (), 100, NOW)["history"]
    assert (run["state"], run["reason"], run["completionTime"]) == ("Failed", JOB_DELETED, NOW)


def test_running_run_does_not_become_pending_again() -> None:
    pending = {**entry("a", 1), "state": "Pending"}
    (run,) = record_in_turn(entry("a", 1), pending)["history"]
    assert run["state"] == "Running"


def test_waiting_run_says_why_once() -> None:
    pending = {**entry("a", 1), "state": "Pending"}
    no_pod = {**pending, "reason": NO_POD}
    unschedulable = {**pending, "reason": "Unschedulable"}
    image = {**pending, "reason": "ImagePullBackOff"}
    assert record_in_turn(pending, no_pod, unschedulable, image)["history"] == [unschedulable]


def test_consecutive_failures_are_those_after_the_last_success() -> None:
    failed = [entry("a", 1, 2, "Failed"), entry("c", 5, 6, "Failed"), entry("d", 7, 8, "Failed")]
    success = entry("b", 3, 4)
    for runs in permutations([*failed, success]):
        status = record_in_turn(*runs)
        assert status["consecutiveFailures"] == 2
        assert status["lastSuccessTime"] == success["completionTime"]
        assert status["lastRunTime"] == failed[-1]["startTime"]


@pytest.mark.parametrize(
    ("state", "terminal"),
    [("Pending", False), ("Running", False), ("Completed", True), ("Failed", True)],
)
def test_completed_and_failed_are_terminal(state: str, terminal: bool) -> None:
    assert is_terminal({"state": state}) is terminal
