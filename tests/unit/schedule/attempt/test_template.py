"""What templates become, against a calendar that is written differently."""

import calendar
import random
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from download_schedule.attempt.template import (
    DIRECTIVES,
    UNITS,
    UNPADDED,
    Times,
    encode_for_url,
    has_time_in_text,
    names_one_tick,
    render,
    render_text,
)
from download_schedule.cron.zones import load, names

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CASES_A_ZONE: Final = 180
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def fill_in(template: str, tick: str, zone: str = "Etc/UTC") -> str:
    scheduled = moment(tick)
    previous = scheduled - timedelta(hours=6)
    return render(template, Times(scheduled, lambda: previous, ZoneInfo(zone)), {})


@pytest.mark.parametrize(
    ("template", "tick", "zone", "expected"),
    [
        # Without a format, UTC; with one, the schedule's zone.
        ("{scheduled}", "2026-11-23T02:00Z", "Asia/Tokyo", "20261123T020000Z"),
        ("{scheduled:%m-%d %H:%M %z}", "2026-11-22T20:00Z", "Asia/Tokyo", "11-23 05:00 +0900"),
        ("{scheduled-1d}", "2026-11-22T20:00Z", "Asia/Tokyo", "20261121T200000Z"),
        ("{previous:%H}-{previous+1h:%H}", "2026-11-23T02:00Z", "Etc/UTC", "20-21"),
        # Months and years end early in the calendar.
        ("{scheduled-1mo:%Y-%m-%d}", "2026-03-31T00:00Z", "Etc/UTC", "2026-02-28"),
        ("{scheduled-1mo:%Y-%m-%d}", "2028-03-31T00:00Z", "Etc/UTC", "2028-02-29"),
        ("{scheduled+1mo:%Y-%m-%d}", "2026-01-31T00:00Z", "Etc/UTC", "2026-02-28"),
        ("{scheduled+1mo:%Y-%m-%d}", "2026-12-31T00:00Z", "Etc/UTC", "2027-01-31"),
        ("{scheduled-11mo:%Y-%m-%d}", "2026-11-30T00:00Z", "Etc/UTC", "2025-12-30"),
        ("{scheduled-1y:%Y-%m-%d}", "2028-02-29T00:00Z", "Etc/UTC", "2027-02-28"),
        ("{scheduled+4y:%Y-%m-%d}", "2028-02-29T00:00Z", "Etc/UTC", "2032-02-29"),
        ("{scheduled-999y:%Y}", "2026-01-01T00:00Z", "Etc/UTC", "1027"),
        ("{scheduled+999y:%Y}", "2026-01-01T00:00Z", "Etc/UTC", "3025"),
        ("{scheduled-999mo:%Y-%m}", "2026-01-01T00:00Z", "Etc/UTC", "1942-10"),
        # The ISO year and week at the end of a year.
        ("{scheduled:%G-W%V-%u}", "2027-01-01T00:00Z", "Etc/UTC", "2026-W53-5"),
        ("{scheduled:%G-W%V-%u}", "2024-12-30T00:00Z", "Etc/UTC", "2025-W01-1"),
        ("{scheduled:%j}/{scheduled:%-j}", "2026-01-05T00:00Z", "Etc/UTC", "005/5"),
        ("{scheduled:%j}", "2028-12-31T00:00Z", "Etc/UTC", "366"),
        # Clocks go forward at 01:00 UTC on 29 March 2026, back on 25 October.
        ("{scheduled-1d:%d %H:%M}", "2026-03-30T00:30Z", "Europe/Paris", "29 03:30"),
        ("{scheduled-1d}", "2026-03-30T00:30Z", "Europe/Paris", "20260329T013000Z"),
        ("{scheduled-24h:%d %H:%M}", "2026-03-30T00:30Z", "Europe/Paris", "29 01:30"),
        ("{scheduled-1d}", "2026-10-26T01:30Z", "Europe/Paris", "20261025T003000Z"),
        ("{scheduled-1h:%H:%M %z}", "2026-10-25T01:30Z", "Europe/Paris", "02:30 +0200"),
        ("{scheduled-0d}", "2026-10-25T01:30Z", "Europe/Paris", "20261025T013000Z"),
        ("{scheduled-1d:%Y-%m-%d}", "2026-03-30T22:30Z", "Europe/Paris", "2026-03-30"),
        # Samoa had no 30 December 2011.
        ("{scheduled-1d:%d}", "2011-12-31T12:00Z", "Pacific/Apia", "31"),
        # Letters and numbers.
        ("{scheduled:%-d.%-m.%y %-H %-I %p %-M %-S %%}", "2026-03-01T00:05Z", "Etc/UTC",
         "1.3.26 0 12 AM 5 0 %"),
        ("{scheduled:%A, %a %d %B %b %I%p}", "2026-11-23T14:00Z", "Etc/UTC",
         "Monday, Mon 23 November Nov 02PM"),
        ("{scheduled:%s}", "2026-11-23T02:00Z", "Asia/Tokyo", "1795399200"),
        ("{scheduled:%%Y}", "2026-11-23T02:00Z", "Etc/UTC", "%Y"),
    ],
)  # fmt: skip
def test_time_is_moved_and_formatted(template: str, tick: str, zone: str, expected: str) -> None:
    assert fill_in(template, tick, zone) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{scheduled}}", "{scheduled}"),
        ("{{{scheduled:%d}}}", "{23}"),
        ("{{}}{{", "{}{"),
        ("a}}b", "a}b"),
    ],
)
def test_doubled_brace_is_a_brace(template: str, expected: str) -> None:
    assert fill_in(template, "2026-11-23T02:00Z") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"day":"{scheduled:%d}"}', '{"day":"23"}'),
        ("{{scheduled:%d}} {{previous}}", "{scheduled:%d} {previous}"),
        ("{{scheduled+}} {{scheduled", "{scheduled+} {{scheduled"),
        ("{{{scheduled:%d}}}", "{{{scheduled:%d}}}"),
        *((text, text) for text in ("{scheduledJobs} {{previousRun}}", "{x {name} }}")),
    ],
)  # fmt: skip
def test_braces_in_a_text_are_ordinary_but_for_times(text: str, expected: str) -> None:
    tick = moment("2026-11-23T02:00Z")
    assert render_text(text, Times(tick, lambda: tick, UTC)) == expected
    changes = text != expected
    assert has_time_in_text(text) is changes


@pytest.mark.parametrize(
    "text", ["{scheduled-1}", "{scheduled", "{", "}", "{date}", "{scheduled:%Q}"]
)
def test_template_that_no_rule_admits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown placeholder or a single brace"):
        fill_in(text, "2026-11-23T02:00Z")


@pytest.mark.parametrize("text", ["{scheduled-1}", "{previous:", "{scheduled:%Q}"])
def test_text_that_no_rule_admits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        render_text(text, Times(EPOCH, lambda: EPOCH, UTC))


def test_tick_before_is_asked_for_only_where_a_template_names_it() -> None:
    asked = []

    def previous() -> datetime:
        asked.append(True)
        return EPOCH

    times = Times(EPOCH, previous, UTC)
    render("{scheduled}{{previous}}", times, {})
    assert asked == []
    render("{previous}", times, {})
    assert asked == [True]


def test_values_are_encoded_for_a_url_and_the_templates_own_text_is_not() -> None:
    tick = moment("2026-11-23T02:00Z")
    times = Times(tick, lambda: tick, UTC)
    url = "https://h/%7B{scheduled:%Y/%m?%d#&=é%%}?t={scheduled:%H:%M%z}&n={name}"
    assert render(url, times, {"name": "a"}, encode_for_url) == (
        "https://h/%7B2026/11%3F23%23%26%3D%C3%A9%25?t=02:00%2B0000&n=a"
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("{name}/{scheduled}-{filename}", True),
        ("{scheduled:%Y%m%dT%H%M%S}", False),
        ("{scheduled-1d}", False),
        ("{previous}", False),
        ("{{scheduled}}", False),
        ("{{{scheduled}}}", True),
    ],
)
def test_only_the_plain_tick_names_one_tick(key: str, expected: bool) -> None:
    assert names_one_tick(key) is expected


@pytest.mark.parametrize(
    "piece", ["{", "}", "{scheduled:", "%Y", "%%", "{{scheduled ", "{}", "-1d"]
)
def test_rendering_takes_time_in_proportion_to_the_length(piece: str) -> None:
    times = Times(EPOCH, lambda: EPOCH, UTC)
    for before, after in (("", ""), ("{scheduled:", "}"), ("{{scheduled:", "")):
        text = before + piece * (100_000 // len(piece)) + after
        start = time.process_time()
        with suppress(ValueError):
            render(text, times, {})
        with suppress(ValueError):
            render_text(text, times)
        assert time.process_time() - start < 2


def test_a_hundred_thousand_times_are_those_of_another_calendar() -> None:
    rng = random.Random(20)
    units = [rng.choice(UNITS) for _ in range(97)]
    count = 0
    for name in sorted(names()):
        zone = load(name)
        changes = clock_changes(zone)
        for _ in range(CASES_A_ZONE):
            unit = units[count % len(units)]
            largest = (1, 12, 40, 999)[count % 4]
            number = int(rng.random() * (2 * largest + 1)) - largest
            tick = interesting_tick(rng, zone, changes, number, unit)
            template = f"{{scheduled{number:+}{unit}:%s}}"
            got = render(template, Times(tick, lambda: EPOCH, zone), {})
            expected = int((moved(tick, zone, number, unit) - EPOCH).total_seconds())
            assert got == str(expected), (name, tick, template)
            count += 1
    assert count >= 100_000


def test_every_directive_is_formatted_as_by_another_calendar() -> None:
    rng = random.Random(21)
    directives = [*(f"%{c}" for c in DIRECTIVES), *(f"%-{c}" for c in UNPADDED)]
    template = f"{{scheduled:{' '.join(directives)}}}"
    for name in sorted(names()):
        zone = load(name)
        changes = clock_changes(zone)
        for _ in range(4):
            tick = interesting_tick(rng, zone, changes, 0, "d")
            got = render(template, Times(tick, lambda: EPOCH, zone), {})
            texts = [formatted(tick.astimezone(zone), directive) for directive in directives]
            assert got == " ".join(texts), (name, tick)


def clock_changes(zone: ZoneInfo) -> list[datetime]:
    """Return the days of 2025 to 2027 around which the clocks of a zone change."""
    days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(0, 1095, 3)]
    offsets = [(day, day.astimezone(zone).utcoffset()) for day in days]
    return [early for (early, before), (_, after) in pairwise(offsets) if before != after]


def interesting_tick(
    rng: random.Random, zone: ZoneInfo, changes: list[datetime], number: int, unit: str
) -> datetime:
    """Return a tick that is often moved to a clock change, or to the end of a month or year."""
    minutes = int(rng.random() * 5 * 24 * 60)
    if changes and minutes % 2:
        tick = changes[minutes % len(changes)] + timedelta(minutes=minutes)
        days = {"d": 1, "w": 7}.get(unit, 0) * number
        return tick - timedelta(days=days) if minutes % 4 == 1 else tick
    month = (1, 2, 3, 4, 12, 1 + minutes % 12)[minutes // 7 % 6]
    year = 2026 + minutes // 13 % 75
    last = calendar.monthrange(year, month)[1]
    day = (1, 28, last, last, 1 + minutes % last)[minutes // 11 % 5]
    return datetime(year, month, day, minutes % 24, minutes % 60, tzinfo=zone).astimezone(UTC)


def moved(tick: datetime, zone: ZoneInfo, number: int, unit: str) -> datetime:
    if unit in ("min", "h"):
        return EPOCH + timedelta(
            seconds=(tick - EPOCH).total_seconds() + number * {"min": 60, "h": 3600}[unit]
        )
    if number == 0:
        return tick
    wall = tick.astimezone(zone).replace(tzinfo=None)
    day = wall.date()
    if unit in ("d", "w"):
        day = date.fromordinal(day.toordinal() + number * {"d": 1, "w": 7}[unit])
    else:
        months = day.year * 12 + day.month - 1 + number * {"mo": 1, "y": 12}[unit]
        day = last_existing(months, day.day)
    return first_instant(datetime.combine(day, wall.time()), zone)


def last_existing(months: int, day: int) -> date:
    """Return that day of a month, or the last that the month has."""
    year, month = divmod(months, 12)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return date(year, month + 1, min(day, lengths[month]))


def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at which clocks show *wall*.

    If they skip it, it is as long after the skip as the wall time is after the skip's beginning.
    """
    as_utc = wall.replace(tzinfo=UTC)
    around = (as_utc + timedelta(days=days) for days in (-2, 2))
    before, after = (day.astimezone(zone).utcoffset() or timedelta() for day in around)
    moments = sorted(as_utc - shift for shift in {before, after})
    showing = [m for m in moments if m.astimezone(zone).replace(tzinfo=None) == wall]
    return showing[0] if showing else as_utc - before


def formatted(local: datetime, directive: str) -> str:
    day = local.date()
    iso = day.isocalendar()
    number: dict[str, tuple[int, int]] = {
        "Y": (day.year, 4),
        "y": (day.year % 100, 2),
        "m": (day.month, 2),
        "d": (day.day, 2),
        "H": (local.hour, 2),
        "M": (local.minute, 2),
        "S": (local.second, 2),
        "j": ((day - date(day.year, 1, 1)).days + 1, 3),
        "G": (iso.year, 4),
        "V": (iso.week, 2),
        "u": (day.weekday() + 1, 1),
        "I": ((local.hour - 1) % 12 + 1, 2),
        "s": (int((local - EPOCH).total_seconds()), 1),
    }
    letter = directive[-1]
    if letter in number:
        value, width = number[letter]
        return str(value) if directive[1] == "-" else f"{value:0{width}}"
    name = {"B": MONTHS[day.month - 1], "A": DAYS[day.weekday()]}
    text = {
        **name,
        "b": MONTHS[day.month - 1][:3],
        "a": DAYS[day.weekday()][:3],
        "p": "AM" if local.hour < 12 else "PM",
        "%": "%",
    }
    return text[letter] if letter in text else utc_offset(local)


def utc_offset(local: datetime) -> str:
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    hours, rest = divmod(abs(seconds), 3600)
    sign = "-" if seconds < 0 else "+"
    part = f"{rest % 60:02}" if rest % 60 else ""
    return f"{sign}{hours:02}{rest // 60:02}{part}"
