"""The ledger of ticks: reading, recording, bounds; and that it says what a plain table says."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from download_schedule.cron import CronError, CronSchedule, parse
from download_schedule.ledger import LETTERS, MAX_TICKS, Ledger, Outcome
from tests.support.cron_cases import ODD_ZONES

DAILY = parse("0 2 * * *", "Europe/Paris")
EVERY_MINUTE = parse("* * * * *")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
C, F, M, R, S, X, U = (
    Outcome.COMPLETED,
    Outcome.FAILED,
    Outcome.MISSED,
    Outcome.RUNNING,
    Outcome.SUSPENDED,
    Outcome.SKIPPED,
    Outcome.UNKNOWN,
)


def day(number: int, hour: int = 1) -> datetime:
    """Return the tick of DAILY on a day of November 2026; two o'clock in Paris is one in UTC."""
    return datetime(2026, 11, number, hour, tzinfo=UTC)


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def ticks_member(**members: Any) -> dict[str, Any]:
    stored = {"latest": "2026-11-29T01:00:00Z", "outcomes": "CFM", "schedule": "0 2 * * *"}
    return {"ticks": {**stored, "timeZone": "Europe/Paris", **members}}


THREE = Ledger.read(ticks_member(), DAILY)


def test_letters_stand_for_ticks_newest_first() -> None:
    assert [THREE.outcome(day(number)) for number in range(30, 25, -1)] == [None, C, F, M, None]
    assert list(THREE.between()) == [(day(29), C), (day(28), F), (day(27), M)]


def test_ledger_is_written_as_it_is_read() -> None:
    assert THREE.to_status() == ticks_member()["ticks"]
    assert Ledger(DAILY).to_status() is None


def test_tick_in_the_hour_that_repeats_has_two_letters() -> None:
    """In Paris, summer time ended at three o'clock on 25 October 2026. Kubernetes fires twice."""
    ledger = Ledger(DAILY).extended(
        datetime(2026, 10, 23, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC), C
    )
    times = [tick for tick, _ in ledger.between()]
    assert [(time.day, time.hour) for time in times] == [(26, 1), (25, 1), (25, 0), (24, 0)]


@pytest.mark.parametrize(
    "members",
    [
        {"schedule": "0 3 * * *"},
        {"timeZone": "Etc/UTC"},
        {"latest": "2026-11-29T01:30:00Z"},
        {"latest": "yesterday"},
        {"latest": "9999-12-31T23:00:00Z"},
        {"latest": "0001-01-01T01:00:00Z"},
        {"outcomes": ""},
    ],
)
def test_ledger_of_another_expression_or_without_sense_is_empty(members: dict[str, Any]) -> None:
    assert Ledger.read(ticks_member(**members), DAILY) == Ledger(DAILY)


@pytest.mark.parametrize("status", [{}, {"ticks": None}, {"ticks": {}}])
def test_status_without_a_ledger_has_an_empty_one(status: dict[str, Any]) -> None:
    ledger = Ledger.read(status, DAILY)
    assert ledger == Ledger(DAILY)
    assert list(ledger.between()) == []
    assert ledger.outcome(day(29)) is None


def test_unknown_letters_and_too_many_of_them_are_bounded() -> None:
    ledger = Ledger.read(ticks_member(outcomes="C?" + "C" * MAX_TICKS), DAILY)
    assert ledger.outcomes == "CU" + "C" * (MAX_TICKS - 2)


def test_between_includes_both_bounds() -> None:
    assert list(THREE.between(day(28), day(28))) == [(day(28), F)]
    assert list(THREE.between(start=day(28))) == [(day(29), C), (day(28), F)]
    assert list(THREE.between(end=day(28))) == [(day(28), F), (day(27), M)]


def test_extended_prepends_the_ticks_that_passed() -> None:
    assert THREE.extended(day(29), day(30, 12), S).outcomes == "SCFM"
    assert THREE.extended(day(1), day(29, 12), S) == THREE


def test_ticks_before_the_stretch_are_unknown() -> None:
    assert EVERY_MINUTE.next_tick(NOON) == minute(1)
    ledger = Ledger(EVERY_MINUTE, minute(0), "C").extended(minute(2), minute(4), S)
    assert (ledger.latest, ledger.outcomes) == (minute(4), "SSUUC")


def test_empty_ledger_begins_after_the_start_of_the_stretch() -> None:
    ledger = Ledger(EVERY_MINUTE).extended(minute(0), minute(2), M)
    assert (ledger.latest, ledger.outcomes) == (minute(2), "MM")
    assert Ledger(EVERY_MINUTE).extended(minute(0), minute(0), M) == Ledger(EVERY_MINUTE)


def test_long_stretch_leaves_the_newest_thousand_ticks() -> None:
    ledger = Ledger(EVERY_MINUTE, minute(0), "C").extended(minute(0), minute(600_000), S)
    assert (ledger.latest, ledger.outcomes) == (minute(600_000), "S" * MAX_TICKS)

    full = Ledger(EVERY_MINUTE, minute(0), "C" * MAX_TICKS).extended(minute(0), minute(1), F)
    assert full.outcomes == "F" + "C" * (MAX_TICKS - 1)
    assert full.outcome(minute(1 - MAX_TICKS)) is None
    assert full.outcome(minute(2 - MAX_TICKS)) is C


def test_recorded_changes_one_letter() -> None:
    assert THREE.recorded({day(28): C}).outcomes == "CCM"
    assert THREE.recorded({day(27): R, day(29): F}).outcomes == "FFR"


def test_run_of_an_earlier_tick_lengthens_the_ledger() -> None:
    assert THREE.recorded({day(24): C}).outcomes == "CFMUUC"
    assert Ledger(DAILY).recorded({day(24): C, day(26): F}).outcomes == "FUC"


def test_ledger_has_room_for_a_thousand_ticks_and_no_more() -> None:
    ledger = Ledger(EVERY_MINUTE, minute(0), "C")
    assert len(ledger.recorded({minute(1 - MAX_TICKS): F}).outcomes) == MAX_TICKS
    assert ledger.recorded({minute(-MAX_TICKS): F}) == ledger


@pytest.mark.parametrize(
    "time",
    [
        day(28, hour=2),
        day(28) + timedelta(microseconds=1),
        day(30),
        datetime(9999, 12, 31, 23, tzinfo=UTC),
        datetime(1, 1, 1, 1, tzinfo=UTC),
    ],
)
def test_time_that_is_no_tick_of_the_ledger_changes_nothing(time: datetime) -> None:
    assert THREE.outcome(time) is None
    assert THREE.recorded({time: F}) == THREE


def test_running_tick_without_an_active_run_is_unknown() -> None:
    ledger = Ledger(EVERY_MINUTE, minute(0), "RCRM")
    assert ledger.settled({minute(-2)}).outcomes == "UCRM"
    assert ledger.settled({minute(0), minute(-2)}) == ledger
    assert THREE.settled(()) == THREE


def test_ticks_after_the_clock_are_left_out() -> None:
    ledger = Ledger(EVERY_MINUTE, minute(0), "FCRM")
    assert ledger.until(minute(0)) == ledger
    assert ledger.until(minute(-2)) == Ledger(EVERY_MINUTE, minute(-2), "RM")
    assert ledger.until(minute(-4)) == Ledger(EVERY_MINUTE)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("Pending", R),
        ("Running", R),
        ("Completed", C),
        ("Failed", F),
        ("Skipped", X),
        ("Resting", U),
    ],
)
def test_state_of_a_run_is_an_outcome_of_its_tick(state: str, outcome: Outcome) -> None:
    assert Outcome.of_state(state) is outcome


def test_outcomes_have_letters_of_their_own() -> None:
    assert sorted(LETTERS) == sorted({*LETTERS})
    assert all(len(outcome) == 1 for outcome in Outcome)


def random_schedule(minutes: str, hours: str, zone: str) -> CronSchedule | None:
    try:
        return parse(f"{minutes} {hours} * * *", zone)
    except CronError:
        return None


SCHEDULES = st.builds(
    random_schedule,
    st.sampled_from(["*", "*/7", "30", "0,59", "15"]),
    st.sampled_from(["*", "*/5", "2", "1-3", "0"]),
    st.sampled_from(["Etc/UTC", *ODD_ZONES]),
).filter(bool)
STARTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda s: datetime.fromtimestamp(s, UTC))
"""The years 2020 to 2029."""


@given(
    SCHEDULES,
    STARTS,
    st.lists(
        st.one_of(
            st.tuples(st.just("extend"), st.integers(1, 9), st.sampled_from([M, S, U])),
            st.tuples(st.just("record"), st.integers(0, 30), st.sampled_from([C, F, R, X])),
        ),
        max_size=8,
    ),
)
@settings(deadline=None)
def test_ledger_says_what_a_plain_table_says(
    cron: CronSchedule, start: datetime, steps: list[tuple[str, int, Outcome]]
) -> None:
    """Each step lets ticks pass, or records a run of one of the ticks that passed."""
    ticks = cron.ticks_between(start, start + timedelta(days=3650), 72)
    now = start
    table: dict[datetime, Outcome] = {}
    ledger = Ledger(cron)

    for kind, number, outcome in steps:
        if kind == "extend":
            later = [tick for tick in ticks if tick > now][:number]
            ledger = ledger.extended(now, later[-1], outcome)
            table |= dict.fromkeys(later, outcome)
            now = later[-1]
        elif passed := [tick for tick in ticks if tick <= now]:
            tick = passed[-1 - number % len(passed)]
            ledger = ledger.recorded({tick: outcome})
            table[tick] = outcome
        ledger = Ledger.read({"ticks": ledger.to_status()}, cron)

    assert list(ledger.between()) == sorted(table.items(), reverse=True)
    assert all(ledger.outcome(tick) is table[tick] for tick in ticks[::9] if tick in table)


@given(SCHEDULES, STARTS, st.integers(1, 200))
@settings(deadline=None)
def test_ticks_are_those_of_the_expression_without_a_gap(
    cron: CronSchedule, start: datetime, count: int
) -> None:
    ticks = cron.ticks_between(start, start + timedelta(days=3650), count)
    ledger = Ledger(cron, ticks[-1], "C" * count)
    assert [tick for tick, _ in islice(ledger.between(), count)] == ticks[::-1]
