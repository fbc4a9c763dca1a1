"""Times as Kubernetes writes them."""

from datetime import UTC, datetime

import pytest

from download_schedule.timestamps import format_time, parse_time


@pytest.mark.parametrize(
    "text",
    ["2026-11-25T02:00:00Z", "2026-11-25T03:00:00+01:00", "2026-11-25T02:00:00.000000Z"],
)
def test_time_with_an_offset_is_parsed_into_utc(text: str) -> None:
    time = parse_time(text)
    assert time == datetime(2026, 11, 25, 2, tzinfo=UTC)
    assert time.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-25T02:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+01:00"]
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_time(text) is None


def test_time_is_formatted_in_whole_seconds() -> None:
    time = datetime(2026, 11, 25, 2, 0, 0, 999_999, tzinfo=UTC)
    assert format_time(time) == "2026-11-25T02:00:00Z"
