"""From resources to what callers see, and the names of both."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_api.schema.from_resource import etag, is_expected, schedule, slug, split_id
from download_api.schema.models import Destination, Volume
from tests.unit.api.objects import resource

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


@given(st.text(min_size=1, max_size=300))
def test_a_slug_is_a_resource_name(name: str) -> None:
    made = slug(name)
    assert split_id(f"team.{made}") == ("team", made)
    assert len(made) <= 45


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Daily report!", "daily-report"), ("Über Preise", "uber-preise"), ("日報", "schedule")],
)
def test_a_slug_resembles_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "bad", ["", "report", "team.", ".x", "Team.x", "a/b.c", "a.b/../c", "a.b%"]
)
def test_what_is_no_id(bad: str) -> None:
    assert split_id(bad) is None


def test_a_name_may_have_dots() -> None:
    assert split_id("team.a.b") == ("team", "a.b")


def test_a_resource_as_callers_see_it() -> None:
    shown = schedule(resource(), NOW)
    assert (shown.id, shown.name, shown.enabled) == ("team.report", "Report", True)
    assert shown.next_run_time == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert not shown.ready
    assert shown.message == "The operator has not seen it yet."
    assert schedule(resource(suspend=True), NOW).next_run_time is None
    assert schedule(resource(schedule="rubbish"), NOW).next_run_time is None


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        (None, True),
        ("*", True),
        ("{}", True),
        ('"a", {}', True),
        ('{} ,"b,c"', True),
        ("", False),
        ("W/{}", False),
        ('"a"', False),
    ],
)
def test_if_match(if_match: str | None, expected: bool) -> None:
    made = resource()
    made["metadata"]["generation"] = 1
    assert is_expected(made, if_match and if_match.format(etag(made))) == expected


def test_a_resource_made_by_kubectl() -> None:
    made = resource(destination={"volume": {"claimName": "data"}})
    del made["metadata"]["annotations"]
    made["status"] = {"conditions": [{"type": "Ready", "status": "True", "message": "fine"}]}
    shown = schedule(made, NOW)
    assert shown.name == "report"
    assert shown.destination == Destination(volume=Volume(claim_name="data"))
    assert (shown.ready, shown.message) == (True, None)
