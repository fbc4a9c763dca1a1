"""Where two readings of an expression are compared, and their first difference."""

from datetime import UTC, datetime, timedelta

import pytest

from download_schedule.cron import parse
from download_schedule.cron.look_ahead import Difference, first_difference, look_ahead

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_look_ahead_is_bounded() -> None:
    spans = look_ahead("Europe/Paris", NEW_YEAR)
    assert spans
    assert sum(span.ticks for span in spans) <= 512
    assert max(span.end for span in spans) <= NEW_YEAR + timedelta(days=5 * 366)


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("Etc/UTC", []),
        ("Europe/Paris", ["2026-03-29 01:00", "2026-10-25 01:00"]),
        ("Antarctica/Troll", ["2026-03-29 01:00", "2026-10-25 01:00"]),  # two hours
    ],
)
def test_look_ahead_covers_the_next_two_clock_changes(zone: str, changes: list[str]) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    spans = look_ahead(zone, NEW_YEAR) or []
    around = [span.start + hour for span in spans if span.end - span.start == hour + day]
    assert [f"{change:%Y-%m-%d %H:%M}" for change in around] == changes


def test_there_is_no_look_ahead_over_a_skipped_day() -> None:
    assert look_ahead("Pacific/Apia", datetime(2010, 1, 1, tzinfo=UTC)) is None


def test_first_difference_is_none_for_the_same_reading() -> None:
    spans = look_ahead("Etc/UTC", NEW_YEAR)
    assert spans
    reading = parse("*/7 * * * *").next_tick
    assert first_difference(reading, reading, spans) is None


@pytest.mark.parametrize(
    ("kubernetes", "croniter", "fires", "when"),
    [
        ("0 2 * * *", "0 3 * * *", "Kubernetes", "2026-01-01 02:00"),
        ("0 3 * * *", "0 2 * * *", "croniter", "2026-01-01 02:00"),
        ("* * * * *", "* * * 1-3 *", "Kubernetes", "2026-04-01 00:00"),
        ("* 0-20 * * *", "* * * * *", "croniter", "2026-01-01 21:00"),
        ("0 0 29 2 *", "0 0 28 2 *", "croniter", "2026-02-28 00:00"),
    ],
)
def test_first_difference_is_the_first_time_at_which_only_one_fires(
    kubernetes: str, croniter: str, fires: str, when: str
) -> None:
    spans = look_ahead("Etc/UTC", NEW_YEAR) or []
    difference = first_difference(parse(kubernetes).next_tick, parse(croniter).next_tick, spans)
    assert difference == (datetime.fromisoformat(when).replace(tzinfo=UTC), fires)


def test_time_after_the_look_ahead_is_no_difference() -> None:
    spans = look_ahead("Etc/UTC", datetime(2096, 3, 1, tzinfo=UTC)) or []
    assert first_difference(parse("0 0 29 2 *").next_tick, lambda _: None, spans) is None


def test_difference_is_a_sentence() -> None:
    difference = Difference(NEW_YEAR, "croniter")
    assert str(difference) == "croniter fires at 2026-01-01T00:00:00Z, Kubernetes does not"
