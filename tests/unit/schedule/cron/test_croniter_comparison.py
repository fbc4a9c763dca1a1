"""Where croniter reads expressions unlike Kubernetes, and what people should write instead."""

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from download_schedule.cron import CronSchedule, parse, zones
from download_schedule.cron import croniter_comparison as comparison
from download_schedule.cron.croniter_comparison import (
    croniter_warning,
    find_equivalent,
    read_by_croniter,
)
from download_schedule.cron.look_ahead import look_ahead
from tests.support.cron_cases import CRONITER, FOREIGN, ODD_ZONES, expression
from tests.support.croniter_figures import summarize

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOTE = Path(__file__).parents[4] / "docs" / "design" / "2026-11-croniter.md"


@pytest.mark.parametrize("text", ["0 2 * * *", "*/15 9-17 * * mon-FRI", "0 0 13 * 5", "@daily"])
def test_no_warning_if_both_read_it_the_same(text: str) -> None:
    assert croniter_warning(text, "Etc/UTC", NEW_YEAR) is None


@pytest.mark.parametrize(
    "text", ["60 * * * *", "", "monday", "@every 5m", "0 0 * * 5L", "TZ=UTC * * * * *", "H * * * *"]
)
def test_no_warning_if_both_refuse_it(text: str) -> None:
    assert croniter_warning(text, "Etc/UTC", NEW_YEAR) is None


def test_no_warning_if_it_never_fires() -> None:
    assert read_by_croniter("0 0 31 2 *", "Etc/UTC")
    assert croniter_warning("0 0 31 2 *", "Etc/UTC", NEW_YEAR) is None


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 6 * * 5-7", "0 6 * * 0,5-6"),
        ("0 0 * * 1-7", "0 0 * * *"),
        ("0 0 13 * 1-7", "0 0 13 * 0-6"),
        ("0 22-6 * * *", "0 0-6,22-23 * * *"),
        ("*/5 22-6/2 * * *", "*/5 0,2,4,6,22 * * *"),
        ("0 0 * * fri-mon", "0 0 * * 0-1,5-6"),
        ("0 0 * nov-feb MON", "0 0 * 1-2,11-12 MON"),
        ("@DAILY", "@daily"),
        ("@Weekly", "@weekly"),
        ("0 0 29-L * *", "0 0 29-31 * *"),
        ("0 0 5 * * 0", "0 0 5 * *"),
        ("0 0 5 * * 0 *", "0 0 5 * *"),
        ("*/99999999999999999999 * * * *", "0 * * * *"),
    ],
)
def test_suggestion_for_what_only_croniter_accepts(text: str, suggestion: str) -> None:
    warning = croniter_warning(text, "Asia/Tokyo", NEW_YEAR)
    assert warning == f"croniter accepts {text!r}; write {suggestion!r} for croniter's times"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("0 0 L * *", "2026-01-31T00:00:00Z"),
        ("0 0 15W * *", "2026-01-15T00:00:00Z"),
        ("0 0 * * MON#2", "2026-01-12T00:00:00Z"),
        ("0 0 * * L5", "2026-01-30T00:00:00Z"),
        ("0 0 5 * * */10", "2026-01-05T00:00:00Z"),
        ("0 0 5 * * 0 2027", "2027-01-05T00:00:00Z"),
    ],
)
def test_no_suggestion_if_kubernetes_has_no_equivalent(text: str, first: str) -> None:
    assert croniter_warning(text, "Etc/UTC", NEW_YEAR) == (
        f"croniter accepts {text!r} and fires at {first}; "
        "no expression with the same times was found for Kubernetes"
    )


@pytest.mark.parametrize("text", ["R * * * *", "0 r(0-5) * * *", "R/15 * * * *", "0 0 * * R"])
def test_random_value_is_not_compared(text: str) -> None:
    warning = croniter_warning(text, "Etc/UTC", NEW_YEAR)
    assert warning == (
        f"croniter accepts {text!r} and draws a random time whenever it reads it; "
        "write H for a time that stays the same"
    )


@pytest.mark.parametrize(
    "text", ["? ? ? ? ?", "+5 0 * * *", "0 0 , * 5", "*-5 0 * * *", "0 0 ?/2 * *", "0\u00a00 * * *"]
)
def test_warning_for_what_only_kubernetes_accepts(text: str) -> None:
    warning = croniter_warning(text, "Etc/UTC", NEW_YEAR)
    assert warning == f"croniter refuses {text!r}, Kubernetes accepts it"


@pytest.mark.parametrize(
    ("text", "fires", "when", "suggestion"),
    [
        ("0 0 */1 * 5", "croniter", "2026-01-03T00:00:00Z", "0 0 1-31 * 5"),
        ("0 0 1-1 * *", "croniter", "2026-01-02T00:00:00Z", "0 0 * * *"),
        ("5-5/10 * * * *", "Kubernetes", "2026-01-01T00:05:00Z", "0,10,20,30,40,50 * * * *"),
        # More than 100 ticks away: seen from the samples, then searched for.
        ("* * * * 4-4", "croniter", "2026-01-02T00:00:00Z", "* * * * *"),
        ("*/5 * * jan-jan *", "croniter", "2026-02-01T00:00:00Z", "*/5 * * * *"),
    ],
)
def test_first_time_at_which_only_one_fires(
    text: str, fires: str, when: str, suggestion: str
) -> None:
    other = {"croniter": "Kubernetes", "Kubernetes": "croniter"}[fires]
    assert croniter_warning(text, "Etc/UTC", NEW_YEAR) == (
        f"croniter reads {text!r} differently: {fires} fires at {when}, {other} does not; "
        f"write {suggestion!r} for croniter's times"
    )


@pytest.mark.parametrize(
    ("text", "zone", "when"),
    [
        ("30 2 * * *", "Europe/Paris", "2026-03-29T01:00:00Z"),
        ("0 */2 * * *", "Europe/Paris", "2026-03-29T01:00:00Z"),
        ("* 2 * * *", "America/New_York", "2026-03-08T07:00:00Z"),
        ("0 0 * * *", "America/Santiago", "2026-09-06T04:00:00Z"),
        ("0 1 * * *", "Europe/Dublin", "2026-03-29T01:00:00Z"),
    ],
)
def test_croniter_fires_at_the_end_of_the_hour_that_clocks_skip(
    text: str, zone: str, when: str
) -> None:
    assert croniter_warning(text, zone, NEW_YEAR) == (
        f"croniter differs from Kubernetes when clocks change: croniter fires at {when}, "
        "Kubernetes does not"
    )


@pytest.mark.parametrize("text", ["30 9 * * *", "* * * * *", "*/15 * * * *", "0 * * * *"])
def test_schedule_outside_of_the_skipped_hour_is_read_the_same(text: str) -> None:
    assert croniter_warning(text, "Europe/Paris", NEW_YEAR) is None


def test_suggestion_names_its_exception_when_clocks_change() -> None:
    assert croniter_warning("30 2 * * 7", "Europe/Paris", NEW_YEAR) == (
        "croniter accepts '30 2 * * 7'; write '30 2 * * 0' for croniter's times, except when "
        "clocks change: croniter fires at 2026-03-29T01:00:00Z, Kubernetes does not"
    )


@pytest.mark.parametrize(
    ("text", "zone", "start"),
    [
        ("0 0 * * 7", "Mars/Olympus", NEW_YEAR),
        ("0 0 * * 7".ljust(1025), "Etc/UTC", NEW_YEAR),
        ("0 0 * * 7", "Etc/UTC", datetime(1969, 1, 1, tzinfo=UTC)),
        ("0 0 * * 7", "Etc/UTC", datetime(9980, 1, 1, tzinfo=UTC)),
        ("0 0 * * 7", "Pacific/Apia", datetime(2010, 1, 1, tzinfo=UTC)),  # skips a day in 2011
    ],
)
def test_no_comparison_out_of_bounds(text: str, zone: str, start: datetime) -> None:
    assert croniter_warning(text, zone, start) is None


def test_no_warning_without_croniter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "find_spec", lambda _: None)
    assert croniter_warning("0 0 * * 7", "Etc/UTC", NEW_YEAR) is None


def test_croniter_is_not_imported_with_the_package() -> None:
    code = "import sys, download_schedule.cron, download_schedule.cron.croniter_comparison;"
    code += "sys.exit('croniter' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_start_within_a_minute_gives_the_same_warning() -> None:
    warning = croniter_warning("0 0 * * 7", "Etc/UTC", NEW_YEAR)
    later = NEW_YEAR + timedelta(seconds=59, microseconds=1)
    assert croniter_warning("0 0 * * 7", "Etc/UTC", later) is warning


@pytest.mark.parametrize("error", [AssertionError, KeyError, RecursionError])
def test_any_error_of_croniter_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(croniter, "get_next", fail)
    reading = read_by_croniter("0 0 * * *", "Etc/UTC")
    assert reading
    assert reading(NEW_YEAR) is None

    monkeypatch.setattr(croniter, "__init__", fail)
    assert read_by_croniter("0 0 * * *", "Etc/UTC") is None


def test_figures_in_the_design_note_are_current() -> None:
    assert summarize() in NOTE.read_text(encoding="utf-8").replace("\n", " ")


def shuffled(seed: int) -> str:
    """Return an expression with croniter's spellings: 7 for Sunday, ranges that wrap around."""
    rng = random.Random(seed)
    foreign = rng.choice((*CRONITER, *FOREIGN)).split()
    ours = expression(rng).split()
    if len(foreign) < 5 or len(ours) < 5:
        return " ".join(foreign)
    return " ".join(rng.choice(pair) for pair in zip(foreign, ours, strict=False))


@given(
    st.integers(0, 2**32).map(shuffled),
    st.sampled_from(("Etc/UTC", *ODD_ZONES)),
    st.integers(1_735_689_600, 1_900_000_000).map(
        lambda s: datetime.fromtimestamp(s // 60 * 60, UTC)
    ),
)
@settings(max_examples=40)
def test_suggestion_has_the_times_of_croniter(text: str, zone: str, start: datetime) -> None:
    spans = look_ahead(zone, start)
    warning = croniter_warning(text, zone, start)
    if spans is None or not warning or "write '" not in warning:
        return
    equivalent = find_equivalent(text, zone, spans)
    assert equivalent
    suggestion = equivalent.schedule.expression

    assert f"write {suggestion!r}" in warning
    assert parse(suggestion, zone) == equivalent.schedule
    if equivalent.exception is None:
        assert times_of_croniter(text, zone, start) == next_ticks(equivalent.schedule, start)
    else:
        assert "when clocks change" in warning
        assert times_of_croniter(text, "Etc/UTC", start) == next_ticks(parse(suggestion), start)


def times_of_croniter(text: str, zone: str, start: datetime) -> list[datetime]:
    """Ask croniter itself, without the module under test, for 50 times within five years."""
    end = start + timedelta(days=5 * 366)
    iterator = croniter(text, start.astimezone(zones.load(zone)), datetime)
    times = (iterator.get_next().astimezone(UTC) for _ in range(50))
    return [time for time in times if time <= end]


def next_ticks(schedule: CronSchedule, start: datetime) -> list[datetime]:
    return schedule.ticks_between(start, start + timedelta(days=5 * 366), 50)


@pytest.mark.parametrize(
    "text",
    ["* * * " + "jan-jan," * 120 + "1 *", "* * * * " + "1#1," * 240 + "1#2",
     "9" * 1000 + " * * * *", "*/" + "9" * 1000 + " * * * *",
     "* * * * * * 1970-2099," + "1970-2099/1," * 70 + "1970", "59 2 31w * l0,l1,l2,l3,l4,l5,l6",
     "0-59/59 2 1 * 0#5,1#5,2#5", "* " * 500, "-" * 1000, "*/1 */1 */1 */1 */1", "0 0 29 2 1#5",
     "59 23 31 12 *"],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["Etc/UTC", "Antarctica/Troll"])
def test_hostile_expression_takes_less_than_two_seconds(text: str, zone: str) -> None:
    """Processor time under coverage; without it, none takes more than 0.3 s."""
    started = time.thread_time()
    croniter_warning(text, zone, NEW_YEAR)
    assert time.thread_time() - started < 2
