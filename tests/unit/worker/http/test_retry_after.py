"""When a server wants to be asked again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.http.retry_after import MAX_SECONDS, retry_after_seconds

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seconds(value: str, **headers: str) -> int | None:
    return retry_after_seconds({"retry-after": value, **headers}, NOON)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        ("120", 120),
        (" 007 ", 7),
        ("999999999", MAX_SECONDS),
        ("9" * 5000, MAX_SECONDS),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120),
        ("Monday, 23-Nov-26 12:02:00 GMT", 120),
        ("Mon Nov 23 12:02:00 2026", 120),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_SECONDS),
    ],
)
def test_seconds_and_dates_are_read(value: str, expected: int) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "000",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "0x10",
        "5 seconds",
        "120, 120",
        "\u0661",
        "\u00b2",
        "soon",
        "PT5M",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Mon, 23 Nov 2020 12:00:00 GMT",
        "2026-11-23T12:02:00Z",
    ],
)
def test_anything_else_asks_for_no_wait(value: str) -> None:
    assert seconds(value) is None


def test_date_counts_from_the_clock_of_the_server() -> None:
    later = "Mon, 23 Nov 2026 15:00:30 GMT"
    assert seconds(later, date="Mon, 23 Nov 2026 15:00:00 GMT") == 30
    assert seconds(later, date="rubbish") == 3 * 3600 + 30
    assert retry_after_seconds({}, NOON) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_wait_is_always_bounded(value: str, date: str) -> None:
    wait = seconds(value, date=date)
    assert wait is None or 0 < wait <= MAX_SECONDS
