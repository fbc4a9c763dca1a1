"""The ticks of a schedule as callers see them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from download_api.schema.ticks import list_ticks
from tests.support.api_objects import resource


def with_ledger(**spec: Any) -> dict[str, Any]:
    ticks = {
        "latest": "2026-11-29T02:00:00Z",
        "outcomes": "RCFMSXU",
        "schedule": "0 2 * * *",
        "timeZone": "Etc/UTC",
    }
    return {**resource(**spec), "status": {"ticks": ticks}}


def day(number: int) -> datetime:
    return datetime(2026, 11, number, 2, tzinfo=UTC)


def listed(stored: dict[str, Any], **options: Any) -> list[tuple[int, str]]:
    bounds = {"since": None, "until": None, "outcome": None, "limit": 1000, **options}
    return [(tick.tick.day, tick.outcome) for tick in list_ticks(stored, **bounds).ticks]


def test_ticks_are_listed_with_their_outcomes_newest_first() -> None:
    assert listed(with_ledger()) == [
        (29, "running"),
        (28, "completed"),
        (27, "failed"),
        (26, "missed"),
        (25, "suspended"),
        (24, "skipped"),
        (23, "unknown"),
    ]


def test_bounds_outcome_and_limit_select() -> None:
    stored = with_ledger()
    assert listed(stored, since=day(27), until=day(29)) == [(28, "completed"), (27, "failed")]
    assert listed(stored, outcome="missed") == [(26, "missed")]
    assert listed(stored, limit=2) == [(29, "running"), (28, "completed")]


@pytest.mark.parametrize("spec", [{"schedule": "0 3 * * *"}, {"schedule": "0 3 * *"}])
def test_ledger_of_another_expression_says_nothing(spec: dict[str, str]) -> None:
    """The operator has not seen the edit yet."""
    assert listed(with_ledger(**spec)) == []


def test_schedule_without_a_status_has_no_ticks() -> None:
    assert listed(resource()) == []
