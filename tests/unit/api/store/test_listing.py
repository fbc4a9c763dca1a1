"""Pages of schedules."""

from typing import Any

import pytest

from download_api.schema.paging import Cursor
from download_api.store.listing import PageCollector, ScheduleFilter
from download_api.store.schedule_lists import ListedSchedule
from tests.support.api_objects import resource

RESOURCES: list[dict[str, Any]] = [
    {"metadata": {"namespace": "team", "name": name}} for name in "abcde"
]


def names(resources: Any) -> str:
    return "".join(item["metadata"]["name"] for item in resources)


def collect(
    limit: int | None, offset: int = 0, cursor: Cursor | None = None, max_bytes: int = 1000
) -> Any:
    """Return a page of the resources, which have 100 bytes each."""
    collector = PageCollector(limit, offset, cursor, max_bytes)
    for stored in RESOURCES:
        collector.add(ListedSchedule(stored, 100))
    return collector.page()


@pytest.mark.parametrize(
    ("max_bytes", "expected"), [(500, "abcde"), (499, "abcd"), (200, "ab"), (99, "a"), (0, "a")]
)
def test_page_ends_where_it_becomes_too_large_and_leads_to_the_rest(
    max_bytes: int, expected: str
) -> None:
    page = collect(None, max_bytes=max_bytes)
    assert names(page.resources) == expected
    assert page.total == 5
    assert page.next == (Cursor(key=f"team/{expected[-1]}") if expected != "abcde" else None)


@pytest.mark.parametrize(
    ("limit", "offset", "cursor", "expected", "next_key"),
    [
        (None, 0, None, "abcde", None),
        (2, 0, None, "ab", "team/b"),
        (2, 3, None, "de", None),
        (2, 9, None, "", None),
        (2, 0, "team/b", "cd", "team/d"),
        (2, 0, "team/bb", "cd", "team/d"),  # what the cursor names was deleted
        (None, 0, "team/c", "de", None),
    ],
)
def test_page_has_a_cursor_to_the_next(
    limit: int | None, offset: int, cursor: str | None, expected: str, next_key: str | None
) -> None:
    page = collect(limit, offset, Cursor(key=cursor) if cursor else None)
    assert names(page.resources) == expected
    assert page.total == 5
    assert page.next == (Cursor(key=next_key) if next_key else None)


@pytest.mark.parametrize(
    ("schedule_filter", "expected"),
    [
        (ScheduleFilter(namespace="team"), False),
        (ScheduleFilter(labels="a=b"), True),
        (ScheduleFilter(last_status="failed"), True),
        (ScheduleFilter(enabled=False), True),
    ],
)
def test_only_the_namespace_can_be_filtered_by_the_api_server(
    schedule_filter: ScheduleFilter, expected: bool
) -> None:
    assert schedule_filter.needs_client_filter == expected


def test_filter_matches_enabled_and_last_status() -> None:
    stored = resource(suspend=True)
    stored["status"] = {"history": [{"state": "Failed"}]}
    assert ScheduleFilter(enabled=False, last_status="failed").matches(stored)
    assert not ScheduleFilter(enabled=True).matches(stored)
    assert not ScheduleFilter(last_status="completed").matches(stored)
