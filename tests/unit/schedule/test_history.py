"""In which order runs stand in the history."""

from itertools import permutations
from typing import Any

import pytest

from download_schedule.history import record

NOW = "2026-11-25T03:00:00Z"


def run(uid: str, start: int, end: int | None = None) -> dict[str, Any]:
    made = {"id": uid, "job": uid, "state": "Running", "startTime": f"2026-11-25T02:00:0{start}Z"}
    if end is None:
        return made
    return {**made, "state": "Completed", "completionTime": f"2026-11-25T02:00:0{end}Z"}


@pytest.mark.parametrize(
    "newest_first",
    [
        [run("a", 2, 3), run("z", 1, 9)],
        [run("a", 1), run("z", 1, 2)],
        [run("a", 1, 3), run("z", 1, 2)],
        [run("z", 1, 2), run("a", 1, 2)],
        [run("a", 1), run("z", 1, 3), run("b", 1, 2)],
    ],
)
def test_newest_first_and_of_one_second_the_last_to_end(newest_first: list[dict[str, Any]]) -> None:
    ids = {run["id"] for run in newest_first}
    for heard in permutations(newest_first):
        status: dict[str, Any] = {}
        for each in heard:
            status = record(status, [each], ids, 100, NOW)
        assert status["history"] == newest_first
