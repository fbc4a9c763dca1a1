"""Which Pod's log is an attempt's."""

from typing import Any

import pytest

from download_api.problems import ProblemError
from download_api.store.logs import chosen


def pods(*minutes: int) -> list[Any]:
    return [
        {"metadata": {"uid": str(minute), "creationTimestamp": f"2026-11-23T02:0{minute}:00Z"}}
        for minute in minutes
    ]


@pytest.mark.parametrize(
    ("there", "attempt", "begun", "uid"),
    [
        (pods(3, 1, 2), None, 3, "3"),
        (pods(3, 1, 2), 1, 3, "1"),
        (pods(3, 1, 2), 3, 1, "3"),  # the status is of the run's start
        (pods(2, 3), None, 3, "3"),
        (pods(2, 3), 2, 3, "2"),
        (pods(2, 3), 3, 3, "3"),
    ],
)
def test_the_attempt_of_a_number(
    there: list[Any], attempt: int | None, begun: int, uid: str
) -> None:
    assert chosen(there, attempt, begun)["metadata"]["uid"] == uid


@pytest.mark.parametrize(
    ("there", "attempt", "begun", "sentence"),
    [
        ([], None, 0, "gone, or not there yet"),
        (pods(2, 3), 1, 3, "The Pods up to attempt 1 are gone"),
        (pods(2, 3), 4, 3, "The last attempt so far is 3"),
        (pods(1), 2, 0, "The last attempt so far is 1"),
    ],
)
def test_an_attempt_without_a_pod(
    there: list[Any], attempt: int | None, begun: int, sentence: str
) -> None:
    with pytest.raises(ProblemError, match=sentence) as told:
        chosen(there, attempt, begun)
    assert (told.value.status, told.value.kind) == (404, "log_not_found")
