"""Ticks of schedules that leave out days, in all time zones."""

import calendar
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from download_schedule.attempt.exclusion import WEEKDAYS, Exclusion
from download_schedule.cron import next_included_tick, parse, why_excluded
from download_schedule.cron.included import MAX_DAYS, MAX_TICKS
from download_schedule.cron.zones import load, names

EXPRESSIONS: Final = (
    *("0 0 * * *", "30 2 * * *", "59 23 * * *", "0 */6 * * *", "0 12 1,9,20 * *"),
)
CASES_A_ZONE: Final = 6


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def random_exclusion(zone: str, start: date, rng: random.Random) -> Exclusion:
    def some_day() -> date:
        return start + timedelta(days=rng.randint(-2, 12))

    dates = [f"{some_day()}" for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        first = some_day()
        dates.append(f"{first}/{first + timedelta(days=rng.randint(0, 9))}")
    weekdays = rng.sample(WEEKDAYS, rng.randint(0, 3))
    month_days = rng.sample([-1, 1, 15, 31, start.day], rng.randint(0, 2))
    return Exclusion(zone, tuple(dates), tuple(weekdays), tuple(month_days))


def is_left_out(exclusion: Exclusion) -> Callable[[date], bool]:
    """Decide by lists of days, as the standard calendar has them."""
    days: set[date] = set()
    for entry in exclusion.dates:
        first, *rest = map(date.fromisoformat, entry.split("/"))
        last = rest[0] if rest else first
        days |= {date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)}
    weekdays = {list(calendar.day_abbr).index(name) for name in exclusion.weekdays}

    def decide(day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        month_days = {last if number == -1 else number for number in exclusion.month_days}
        return (
            day in days
            or calendar.weekday(day.year, day.month, day.day) in weekdays
            or day.day in month_days
        )

    return decide


def test_next_tick_is_the_first_that_the_calendar_does_not_leave_out() -> None:
    """In every zone, on ordinary days and around clock changes, from one tick to the next."""
    rng = random.Random(20)
    cases = moved = 0
    for zone in sorted(names()):
        info = load(zone)
        for _ in range(CASES_A_ZONE):
            schedule = parse(rng.choice(EXPRESSIONS), zone)
            start = at("2026-01-01T00:00Z") + timedelta(minutes=rng.randrange(5 * 365 * 1440))
            exclusion = random_exclusion(zone, start.astimezone(info).date(), rng)
            left_out = is_left_out(exclusion)
            tick = schedule.next_tick(start)
            while tick is not None and left_out(tick.astimezone(info).date()):
                assert why_excluded(exclusion, tick)
                tick = schedule.next_tick(tick)
                moved += 1
            assert tick is None or why_excluded(exclusion, tick) is None
            assert next_included_tick(schedule, exclusion, start) == tick, (zone, exclusion, start)
            cases += 1
    assert cases > 3000
    assert moved > 5000


@pytest.mark.parametrize(
    ("expression", "zone", "exclusion", "after", "expected"),
    [
        # 23:30 on 24 December in New York is the 25th in UTC.
        ("30 23 * * *", "America/New_York", {"dates": ("2026-12-24",)}, "2026-12-24T12:00Z",
         "2026-12-26T04:30Z"),
        # Clocks go back from 03:00 to 02:00: both half past twos are of the day.
        ("30 2 * * *", "Europe/Paris", {"dates": ("2026-10-25",)}, "2026-10-25T00:00Z",
         "2026-10-26T01:30Z"),
        # They go forward at midnight, so that the day begins at one.
        ("0 * * * *", "America/Santiago", {"dates": ("2026-09-05",)}, "2026-09-05T12:00Z",
         "2026-09-06T04:00Z"),
        # They go back from midnight to 23:00 of a day, which goes on for another hour.
        ("30 * * * *", "Asia/Beirut", {"dates": ("2026-10-24",)}, "2026-10-24T12:00Z",
         "2026-10-24T22:30Z"),
        # Samoa had no 30 December 2011.
        ("0 12 * * *", "Pacific/Apia", {"dates": ("2011-12-29",)}, "2011-12-29T00:00Z",
         "2011-12-30T22:00Z"),
        ("0 0 * * *", "Etc/UTC", {"weekdays": ("Sat", "Sun")}, "2026-12-24T00:00Z",
         "2026-12-25T00:00Z"),
        ("0 0 * * *", "Etc/UTC", {"dates": ("2026-12-25/2027-01-06",), "month_days": (7,),
         "weekdays": ("Fri",)}, "2026-12-24T00:00Z", "2027-01-09T00:00Z"),
    ],
)  # fmt: skip
def test_days_are_those_of_the_schedules_zone(
    expression: str, zone: str, exclusion: dict[str, Any], after: str, expected: str
) -> None:
    left_out = Exclusion(zone, **exclusion)
    assert next_included_tick(parse(expression, zone), left_out, at(after)) == at(expected)


def test_a_year_of_days_is_passed_over() -> None:
    daily, start = parse("0 0 * * *"), at("2026-01-01T12:00Z")
    year = Exclusion("Etc/UTC", dates=("2026-01-02/2027-01-02",))
    assert (date(2027, 1, 2) - date(2026, 1, 1)).days == MAX_DAYS
    assert next_included_tick(daily, year, start) == at("2027-01-03T00:00Z")
    longer = Exclusion("Etc/UTC", dates=("2026-01-02/2027-01-03",))
    assert next_included_tick(daily, longer, start) is None


def test_sixty_ticks_are_looked_at() -> None:
    mondays, start = parse("0 0 * * 1"), at("2026-01-01T12:00Z")
    ticks = mondays.ticks_between(start, at("2028-01-01T00:00Z"), MAX_TICKS)
    dates = tuple(f"{tick.date()}" for tick in ticks)
    most = Exclusion("Etc/UTC", dates=dates[:-1])
    assert next_included_tick(mondays, most, start) == ticks[-1]
    assert next_included_tick(mondays, Exclusion("Etc/UTC", dates=dates), start) is None


def test_schedule_without_exclusion_has_its_next_tick() -> None:
    assert next_included_tick(parse("0 0 * * *"), None, at("2026-01-01T12:00Z")) == at(
        "2026-01-02T00:00Z"
    )
    assert why_excluded(None, at("2026-01-01T12:00Z")) is None


@pytest.mark.parametrize("expression", ["* * * * *", "0 0 * * *", "59 23 * * 1-5", "0 0 29 2 *"])
def test_the_longest_search_takes_little_time(expression: str) -> None:
    far = ("2000-01-01/2000-01-02",) * 99
    everything = Exclusion("America/New_York", dates=(*far, "2000-01-01/2999-12-31"))
    start = time.process_time()
    assert (
        next_included_tick(parse(expression, "America/New_York"), everything, at("2026-01-01"))
        is None
    )
    assert time.process_time() - start < 0.5
