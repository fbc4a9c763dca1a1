"""Ids and names of schedules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_api.schema.ids import display_name, schedule_id, slug, split_id
from tests.support.api_objects import resource


@given(st.text(min_size=1, max_size=300))
def test_slug_is_a_valid_resource_name(name: str) -> None:
    resource_name = slug(name)
    assert split_id(f"team.{resource_name}") == ("team", resource_name)
    assert len(resource_name) <= 45


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Daily report!", "daily-report"), ("Über Preise", "uber-preise"), ("日報", "schedule")],
)
def test_slug_resembles_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "invalid", ["", "report", "team.", ".x", "Team.x", "a/b.c", "a.b/../c", "a.b%"]
)
def test_invalid_id_is_not_split(invalid: str) -> None:
    assert split_id(invalid) is None


def test_id_is_split_at_the_first_dot() -> None:
    assert split_id("team.a.b") == ("team", "a.b")


def test_id_is_namespace_and_name() -> None:
    assert schedule_id(resource()) == "team.report"


def test_resource_without_a_display_name_shows_its_own() -> None:
    by_kubectl = resource()
    assert display_name(by_kubectl) == "Report"
    del by_kubectl["metadata"]["annotations"]
    assert display_name(by_kubectl) == "report"
