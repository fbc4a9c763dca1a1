"""Which days are left out, and what a calendar may contain."""

import calendar
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.exclusion import (
    MAX_CALENDAR_BYTES,
    MAX_CALENDAR_DATES,
    WEEKDAYS,
    Exclusion,
    find_entry,
    find_reason,
    parse_calendar,
)

CHRISTMAS = date(2026, 12, 25)
days = st.dates(date(2000, 1, 1), date(2999, 12, 31))


@pytest.mark.parametrize(
    ("exclusion", "day", "reason"),
    [
        (Exclusion("Etc/UTC"), CHRISTMAS, None),
        (
            Exclusion("Etc/UTC", dates=("2026-12-24", "2026-12-25")),
            CHRISTMAS,
            "2026-12-25 is in exclude.dates.",
        ),
        (
            Exclusion("Etc/UTC", dates=("2026-12-25/2027-01-06",)),
            CHRISTMAS,
            "2026-12-25 is in exclude.dates (2026-12-25/2027-01-06).",
        ),
        (Exclusion("Etc/UTC", dates=("2026-12-26/2027-01-06",)), CHRISTMAS, None),
        (
            Exclusion("Etc/UTC", weekdays=("Fri",)),
            CHRISTMAS,
            "2026-12-25 is a Friday, and exclude.weekdays has Fri.",
        ),
        (Exclusion("Etc/UTC", weekdays=("Sat", "Sun")), CHRISTMAS, None),
        (
            Exclusion("Etc/UTC", month_days=(1, 25)),
            CHRISTMAS,
            "2026-12-25 is day 25 of its month, and exclude.monthDays has 25.",
        ),
        (
            Exclusion("Etc/UTC", month_days=(-1,)),
            date(2028, 2, 29),
            "2028-02-29 is the last day of its month, and exclude.monthDays has -1.",
        ),
        (Exclusion("Etc/UTC", month_days=(-1,)), date(2028, 2, 28), None),
        (Exclusion("Etc/UTC", calendar="holidays"), CHRISTMAS, None),
    ],
)
def test_reason_names_the_part_that_leaves_a_day_out(
    exclusion: Exclusion, day: date, reason: str | None
) -> None:
    assert find_reason(exclusion, day) == reason


@given(days, st.sets(st.sampled_from(WEEKDAYS)), st.sets(st.sampled_from([-1, *range(1, 32)])))
def test_weekdays_and_month_days_are_those_of_the_standard_calendar(
    day: date, weekdays: set[str], month_days: set[int]
) -> None:
    exclusion = Exclusion("Etc/UTC", weekdays=tuple(weekdays), month_days=tuple(month_days))

    names = {name: number for number, name in enumerate(calendar.day_abbr)}
    weekday = calendar.weekday(day.year, day.month, day.day)
    last = calendar.monthrange(day.year, day.month)[1]
    expected = weekday in {names[name] for name in weekdays} or day.day in {
        last if number == -1 else number for number in month_days
    }
    assert (find_reason(exclusion, day) is not None) is expected


@given(days, st.lists(st.tuples(days, st.integers(0, 400)), max_size=5))
def test_range_contains_both_its_ends_and_what_is_between(
    day: date, ranges: list[tuple[date, int]]
) -> None:
    pairs = [(first, first + timedelta(days=length)) for first, length in ranges]
    texts = [f"{first}/{last}" if first != last else f"{first}" for first, last in pairs]
    for probe in {day, *(end for pair in pairs for end in pair)}:
        is_inside = any(first <= probe <= last for first, last in pairs)
        assert (find_entry(texts, probe) is not None) is is_inside


def test_calendar_has_a_date_or_range_a_line_and_comments() -> None:
    text = (
        "# Holidays in Berlin\r\n\n2026-12-25 # Christmas\n  2026-12-26\t\n\t#\n"
        "2026-12-28/2027-01-01"
    )
    assert parse_calendar(text) == ("2026-12-25", "2026-12-26", "2026-12-28/2027-01-01")
    assert parse_calendar("") == ()


@pytest.mark.parametrize(
    "line",
    [
        "25.12.2026",
        "2026-02-29",
        "2026-12-25, 2026-12-26",
        "2026-12-25 2026-12-26",
        "20261225",
        "2026-W52-5",
        "2026-12-25/",
        "/2026-12-25",
        "2026-12-25/2026-12-24",
        "2026-12-25/2026-12-26/2026-12-27",
        "2026-12-25T00:00:00",
        "٢٠٢٦-١٢-٢٥",
        "2026-12-25" + "0" * 100_000,
        "password: s3cret",
    ],
)
def test_line_that_is_no_date_is_refused_by_its_number_and_not_quoted(line: str) -> None:
    text = f"2026-01-01\n\n{line}\n"
    if len(text) > MAX_CALENDAR_BYTES:
        text = text[: MAX_CALENDAR_BYTES - 1]
    with pytest.raises(ValueError, match=r"line 3; write for example 2026-12-25 or") as refusal:
        parse_calendar(text)
    assert line not in str(refusal.value)


def test_calendar_of_the_largest_size_is_read_and_a_larger_one_refused() -> None:
    lines = "2026-12-25\n" * MAX_CALENDAR_DATES
    assert len(parse_calendar(lines)) == MAX_CALENDAR_DATES
    with pytest.raises(ValueError, match=f"more than {MAX_CALENDAR_DATES} dates; leave out"):
        parse_calendar(lines + "2026-12-26\n")

    comment = "#" + "é" * (MAX_CALENDAR_BYTES // 2 - 1) + "x"
    assert parse_calendar(comment) == ()
    with pytest.raises(ValueError, match=f"more than {MAX_CALENDAR_BYTES} bytes; leave out"):
        parse_calendar(comment + "x")


@given(st.text(max_size=200) | st.text("0123456789-/# \n", max_size=200))
def test_whatever_a_calendar_contains_it_is_read_or_refused(text: str) -> None:
    dates: tuple[str, ...] = ()
    with suppress(ValueError):
        dates = parse_calendar(text)
    for entry in dates:
        first, _, last = entry.partition("/")
        assert date.fromisoformat(first) <= date.fromisoformat(last or first)
