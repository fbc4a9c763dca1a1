"""Cursors."""

from urllib.parse import urljoin

import pytest
from starlette.requests import Request

from download_api.problems.problem import ProblemError
from download_api.schema.paging import Cursor, next_link, parse_position


def test_cursor_is_what_it_was_after_its_way_through_a_link() -> None:
    cursor = Cursor(key="team/report", time="2026-11-23T02:00:00Z", seen=3, token="t")
    assert parse_position(cursor.encode(), 0) == cursor


def test_without_a_cursor_the_offset_counts() -> None:
    assert parse_position(None, 7) is None


@pytest.mark.parametrize("text", ["nonsense", "é", "e30", "", "a" * 5000])
def test_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="cursor: take it from the Link header"):
        parse_position(text, 0)


def test_cursor_and_offset_together_are_refused() -> None:
    with pytest.raises(ProblemError, match="offset: leave it out"):
        parse_position(Cursor(key="a").encode(), 1)


@pytest.mark.parametrize("path", ["/schedules", "/schedules/team.report/history"])
@pytest.mark.parametrize("outside", ["https://host", "https://host/downloads", "https://host/a/b"])
def test_link_holds_below_a_path_of_a_proxy(path: str, outside: str) -> None:
    query = b"limit=2&offset=4&status=failed"
    request = Request(
        {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
    )
    link = next_link(request, Cursor(key="a"))
    target, _, relation = link.removeprefix("<").partition(">")
    assert relation == '; rel="next"'
    cursor = Cursor(key="a").encode()
    assert urljoin(f"{outside}{path}?{query.decode()}", target) == (
        f"{outside}{path}?limit=2&status=failed&cursor={cursor}"
    )
