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
    [
        ("Pending", False),
        ("Running", False),
        ("Completed", True),
        ("Failed", True),
        ("Skipped", True),
    ],
)
def test_completed_failed_and_skipped_are_terminal(state: str, terminal: bool) -> None:
    assert is_terminal({"state": state}) is terminal


def test_skipped_run_is_counted_apart_and_changes_nothing_else() -> None:
    failed, skipped = entry("a", 1, 2, "Failed"), entry("b", 3, 4, "Skipped")
    success, later = entry("c", 5, 6), entry("d", 7, 8, "Skipped")
    status = record_in_turn(failed, skipped)
    assert status["counts"] == {"completed": 0, "failed": 1, "missed": 0, "skipped": 1}
    assert status["consecutiveFailures"] == 1
    assert "lastSuccessTime" not in status
    assert status["lastRunTime"] == skipped["startTime"]

    status = record_in_turn(failed, skipped, success, later, skipped)
    assert status["counts"] == {"completed": 1, "failed": 1, "missed": 0, "skipped": 2}
    assert status["consecutiveFailures"] == 0
    assert status["lastSuccessTime"] == success["completionTime"]


@pytest.mark.parametrize(("limit", "kept"), [(20, 5), (4, 1), (2, 1), (1, 1)])
def test_skipped_runs_take_a_quarter_of_the_history(limit: int, kept: int) -> None:
    """A holiday of a schedule that fires every few minutes must not push out all that failed."""
    skipped = [
        {**entry(f"s{n:02}", 5, 6, "Skipped"), "startTime": f"2026-11-25T03:{n:02}:00Z"}
        for n in range(40)
    ]
    others = [entry(f"c{n}", n, n + 1) for n in range(3)]
    for runs in ([*others, *skipped], [*skipped, *others], [*skipped[20:], *others, *skipped[:20]]):
        history = record_in_turn(*runs, limit=limit)["history"]
        ids = [run["id"] for run in history]
        assert ids[:kept] == [f"s{n:02}" for n in range(39, 39 - kept, -1)]
        assert ids[kept:] == ["c2", "c1", "c0"][: limit - kept]
