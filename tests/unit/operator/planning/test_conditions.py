"""The conditions Ready and Healthy."""

from typing import Any

import pytest

from download_operator.planning.conditions import MAX_MESSAGE, ConditionState, healthy, merge

BEFORE, NOW = "2026-11-23T01:00:00Z", "2026-11-23T02:00:00Z"


def run(state: str, **fields: str) -> dict[str, Any]:
    return {"job": "report-1", "state": state, **fields}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], None),
        ([run("Running")], None),
        ([run("Running"), run("Completed")], ("True", "report-1 completed.")),
        ([run("Failed", reason="HTTPStatus")], ("False", "report-1 failed. HTTPStatus")),
        (
            [run("Failed", reason="HTTPStatus", message="404"), run("Completed")],
            ("False", "report-1 failed. HTTPStatus: 404"),
        ),
        ([run("Failed")], ("False", "report-1 failed.")),
        ([run("Skipped", reason="Excluded")], None),
        ([run("Skipped"), run("Failed")], ("False", "report-1 failed.")),
    ],
)
def test_healthy_is_how_the_newest_run_ended(
    history: list[dict[str, Any]], expected: tuple[str, str] | None
) -> None:
    state = healthy(history)

    assert (state and (state.status, state.message)) == expected


@pytest.mark.parametrize(("status", "time"), [("True", BEFORE), ("False", NOW)])
def test_transition_time_changes_with_the_status_alone(status: str, time: str) -> None:
    stored = [{"type": "Ready", "status": "True", "lastTransitionTime": BEFORE}]

    (condition,) = merge(stored, {"Ready": ConditionState(status, "Reason", "text")}, 7, NOW)

    assert condition["lastTransitionTime"] == time
    assert condition["observedGeneration"] == 7


def test_long_message_is_cut() -> None:
    (condition,) = merge([], {"Ready": ConditionState("False", "Reason", "x" * 9999)}, 1, NOW)

    assert len(condition["message"]) == MAX_MESSAGE
