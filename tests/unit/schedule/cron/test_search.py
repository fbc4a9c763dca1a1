"""The search for the next tick: clock changes, leap years, and a plain search to compare with."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.cron import parse

FAR_FUTURE = datetime(9000, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(631_152_000, 4_102_444_800).map(lambda s: EPOCH + timedelta(seconds=s))
"""The years 1990 to 2099."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(expression: str, time_zone: str, after: str, count: int) -> list[str]:
    schedule = parse(expression, time_zone)
    return [f"{t:%Y-%m-%d %H:%M}" for t in schedule.ticks_between(utc(after), FAR_FUTURE, count)]


@pytest.mark.parametrize(
    ("expression", "time_zone", "after", "expected"),
    [
        # Clocks go forward at 01:00 UTC: half past two does not exist on the 29th.
        ("30 2 * * *", "Europe/Paris", "2026-03-28 00:00",
         ["2026-03-28 01:30", "2026-03-30 00:30", "2026-03-31 00:30"]),
        # Clocks go back at 01:00 UTC: half past two exists twice on 25 October.
        ("30 2 * * *", "Europe/Paris", "2026-10-24 12:00",
         ["2026-10-25 00:30", "2026-10-25 01:30", "2026-10-26 01:30"]),
        ("0 * * * *", "Europe/Paris", "2026-10-24 23:30",
         ["2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"]),
        # There is no midnight on 6 September 2026 in Santiago: the day is skipped.
        ("0 0 * * *", "America/Santiago", "2026-09-05 00:00",
         ["2026-09-05 04:00", "2026-09-07 03:00", "2026-09-08 03:00"]),
        # Clocks go forward by half an hour: 02:00 to 02:30 does not exist on 4 October 2026.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02 20:00",
         ["2026-10-04 15:15", "2026-10-05 15:15"]),
        # Clocks go forward by two hours.
        ("30 * * * *", "Antarctica/Troll", "2026-03-29 00:00",
         ["2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 02:30"]),
        # The offset is 5 hours and 45 minutes.
        ("0 6 * * *", "Asia/Kathmandu", "2026-01-01 00:00",
         ["2026-01-01 00:15", "2026-01-02 00:15"]),
        # Samoa skipped 30 December 2011, where robfig searches forever.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29 00:00",
         ["2011-12-29 22:00", "2011-12-30 22:00"]),
        ("0 12 30,31 * *", "Pacific/Apia", "2011-12-29 23:00",
         ["2011-12-30 22:00", "2012-01-29 22:00"]),
        # In the repeated hour robfig leads back, with some expressions in a circle.
        ("*/15 3 * * *", "Pacific/Chatham", "2027-04-03 13:30",
         ["2027-04-03 13:45", "2027-04-03 14:00", "2027-04-03 14:30"]),
    ],
)  # fmt: skip
def test_ticks_when_clocks_change(
    expression: str, time_zone: str, after: str, expected: list[str]
) -> None:
    assert ticks(expression, time_zone, after, len(expected)) == expected


def test_next_as_kubernetes_leads_back_where_robfig_does() -> None:
    quarter_past_three = parse("15 3 * * *", "Pacific/Chatham")
    assert quarter_past_three.next_as_kubernetes(utc("2034-04-01 14:10")) == utc("2034-04-01 13:30")
    assert quarter_past_three.next_tick(utc("2034-04-01 14:10")) == utc("2034-04-01 14:30")


def test_search_crosses_leap_years_and_new_year() -> None:
    assert ticks("0 0 29 2 *", "Etc/UTC", "2026-01-01", 2) == [
        "2028-02-29 00:00",
        "2032-02-29 00:00",
    ]
    assert ticks("59 23 31 12 *", "Etc/UTC", "2026-12-31 23:59", 1) == ["2027-12-31 23:59"]
    assert ticks("* * * * *", "Etc/UTC", "2026-12-31 23:59", 1) == ["2027-01-01 00:00"]


def values(low: int, high: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=1, max_size=4)


@given(values(0, 59), values(0, 23), values(0, 6), moments)
def test_next_tick_is_what_a_search_minute_by_minute_finds(
    minutes: list[int], hours: list[int], days: list[int], start: datetime
) -> None:
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * {days[0]},{days[-1]}"
    minute = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while not (
        minute.minute in minutes
        and minute.hour in hours
        and minute.isoweekday() % 7 in (days[0], days[-1])
    ):
        minute += timedelta(minutes=1)
    assert parse(text).next_tick(start) == minute
