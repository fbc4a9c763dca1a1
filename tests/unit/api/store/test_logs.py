"""Which Pod has the log of an attempt."""

import pytest

from download_api.problems.problem import ProblemError
from download_api.store.logs import JSONPod, Metadata, select_pod


def pods(*minutes: int) -> list[JSONPod]:
    return [
        JSONPod(Metadata(f"pod-{minute}", str(minute), f"2026-11-23T02:0{minute}:00Z"))
        for minute in minutes
    ]


@pytest.mark.parametrize(
    ("remaining", "attempt", "started", "uid"),
    [
        (pods(3, 1, 2), None, 3, "3"),
        (pods(3, 1, 2), 1, 3, "1"),
        (pods(3, 1, 2), 3, 1, "3"),  # the status is older than the Pods
        (pods(2, 3), None, 3, "3"),
        (pods(2, 3), 2, 3, "2"),
        (pods(2, 3), 3, 3, "3"),
    ],
)
def test_attempt_is_the_pod_of_its_number_by_age(
    remaining: list[JSONPod], attempt: int | None, started: int, uid: str
) -> None:
    assert select_pod(remaining, attempt, started).metadata.uid == uid


@pytest.mark.parametrize(
    ("remaining", "attempt", "started", "message"),
    [
        ([], None, 0, "The run has no Pods yet, or no longer"),
        (pods(2, 3), 1, 3, "The Pods up to attempt 1 are gone"),
        (pods(2, 3), 4, 3, "The last attempt so far is 3"),
        (pods(1), 2, 0, "The last attempt so far is 1"),
    ],
)
def test_attempt_without_a_pod_has_no_log(
    remaining: list[JSONPod], attempt: int | None, started: int, message: str
) -> None:
    with pytest.raises(ProblemError, match=message) as refusal:
        select_pod(remaining, attempt, started)
    assert (refusal.value.status, refusal.value.error_type) == (404, "log_not_found")
