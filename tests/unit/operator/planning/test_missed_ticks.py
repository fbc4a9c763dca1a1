"""Which ticks brought a run, and which are missed for good."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.planning.actions import ReadJobs, WriteStatus
from download_operator.planning.missed_ticks import MAX_JUDGED, explain, judge
from download_schedule import cron
from tests.unit.operator.objects import job_manifest
from tests.unit.operator.world import World

EVERY_MINUTE = cron.parse("* * * * *")
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
DEADLINE = timedelta(seconds=30)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("now", "started", "settled", "missed", "open_tick"),
    [
        (0.5, [], 0, [], None),
        (1.5, [1], 1, [], None),
        (1.5, [], 0, [], 1),
        (1.74, [], 0, [], 1),  # deadline and grace end 45 s after the tick
        (1.75, [], 1, [1], None),
        (2.1, [2], 2, [1], None),  # the controller makes up for the latest only
        (3.1, [1], 2, [2], 3),
    ],
)
def test_what_becomes_of_ticks(
    now: float, started: list[int], settled: int, missed: list[int], open_tick: int | None
) -> None:
    judgement = judge(EVERY_MINUTE, START, at(now), at(now), DEADLINE, set(map(at, started)))
    assert judgement.settled_until == at(settled)
    assert judgement.missed == tuple(map(at, missed))
    assert judgement.open_tick == (None if open_tick is None else at(open_tick))


@given(st.sets(st.integers(1, 60)), st.lists(st.floats(0, 90), max_size=10))
def test_every_tick_is_judged_once_whenever_one_looks(
    started: set[int], looks: list[float]
) -> None:
    """Jobs become known at their tick; the last look is long after."""
    settled = START
    missed: list[datetime] = []
    for now in [*sorted(looks), 120.0]:
        known = {at(minute) for minute in started if minute <= now}
        judgement = judge(EVERY_MINUTE, settled, at(now), at(now), DEADLINE, known)
        settled = judgement.settled_until
        missed += judgement.missed
    assert missed == [at(minute) for minute in range(1, 120) if minute not in started]


def test_a_long_outage_is_judged_in_steps() -> None:
    judgement = judge(EVERY_MINUTE, START, at(5000), at(5000), DEADLINE, set())
    assert len(judgement.missed) == MAX_JUDGED
    assert judgement.settled_until == at(MAX_JUDGED)


def test_ticks_that_robfig_goes_through_in_a_circle_are_judged_once() -> None:
    quarters = cron.parse("*/15 3 * * *", "Pacific/Chatham")
    start = datetime(2027, 4, 3, 12, tzinfo=UTC)
    end = start + timedelta(hours=12)
    judgement = judge(quarters, start, end, end, DEADLINE, set())
    assert len(judgement.missed) == len(set(judgement.missed)) < 10


def test_the_reason_names_the_run_in_the_way() -> None:
    run: dict[str, Any] = {"job": "report-1", "startTime": "2026-11-23T00:59:00Z"}
    assert "report-1 was still going" in explain([at(1)], [run])
    over = {**run, "completionTime": "2026-11-23T01:00:30Z"}
    assert "The tick 2026-11-23T01:01:00Z brought no run within" in explain([at(1)], [over])
    assert "2 ticks up to" in explain([at(1), at(2)], [])


def test_a_missed_tick_is_counted_and_told_once() -> None:
    world = World(schedule="0 2 * * *", startingDeadlineSeconds=60)
    world.settle()
    world.now = datetime(2026, 11, 23, 2, 1, 14, tzinfo=UTC)
    world.settle()
    assert world.counts["missed"] == 0
    world.now += timedelta(seconds=1)
    listing, action = world.settle()
    assert isinstance(listing, ReadJobs)
    assert isinstance(action, WriteStatus)
    assert action.missed == (datetime(2026, 11, 23, 2, 0, tzinfo=UTC),)
    assert world.status["counts"]["missed"] == 1
    world.now += timedelta(hours=1)
    world.settle()
    assert world.status["counts"]["missed"] == 1


def test_a_tick_whose_job_the_watch_has_not_told_of_is_not_missed() -> None:
    """A watch whose connection died without a word is begun anew after a hundred seconds."""
    world = World(schedule="0 2 * * *", startingDeadlineSeconds=10)
    world.settle()
    job = job_manifest(version=world.next_version())
    world.jobs_in_cluster = lambda: [job]  # type: ignore[method-assign]
    world.now = datetime(2026, 11, 23, 2, 0, 25, tzinfo=UTC)
    world.settle()
    world.now += timedelta(hours=1)
    world.settle()
    assert world.counts["missed"] == 0
    assert world.run["id"] == "job-1"


def test_the_jobs_are_listed_once_for_all_ticks_that_look_missed_and_not_after_a_start() -> None:
    world = World(schedule="* * * * *", startingDeadlineSeconds=10)
    world.settle()
    manifest = world.wanted
    world.now += timedelta(minutes=40, seconds=30)
    assert [type(action) for action in world.settle()] == [ReadJobs, WriteStatus]
    assert world.counts["missed"] == 40
    world.forget()
    world.apply_cron_job(manifest)
    world.now += timedelta(minutes=1)
    world.picture.begin()
    assert [type(action) for action in world.settle()] == [WriteStatus]
    assert world.counts["missed"] == 41


def test_a_tick_with_a_job_is_not_missed_though_it_left_the_history() -> None:
    world = World(schedule="* * * * *", historyLimit=1, startingDeadlineSeconds=10)
    world.settle()
    for number in range(1, 5):
        world.now = START + timedelta(minutes=number)
        world.job(number=number, ended="Failed", tick=world.now)
        world.pod(job=number, exit_code=10)
        world.settle()
        world.delete_job(number=number, ended="Failed", tick=world.now)
        world.now += timedelta(seconds=50)
        world.settle()
    assert world.status["counts"] == {"completed": 0, "failed": 4, "missed": 0}


def test_nothing_is_missed_while_suspended_nor_from_before_an_edit() -> None:
    world = World(schedule="* * * * *", suspend=True)
    world.settle()
    world.now += timedelta(hours=1)
    assert world.settle() == []
    world.edit(suspend=False)
    world.settle()
    assert world.counts["missed"] == 0
    assert world.status["nextRunTime"] == "2026-11-23T02:01:00Z"


def test_a_tick_is_missed_at_the_end_of_the_longest_deadline_too() -> None:
    world = World(schedule="0 2 * * *", startingDeadlineSeconds=12 * 3600)
    world.settle()
    world.now = datetime(2026, 11, 23, 14, 0, 14, tzinfo=UTC)
    world.settle()
    assert world.counts["missed"] == 0
    world.now += timedelta(seconds=1)
    world.settle()
    assert world.counts["missed"] == 1


def test_what_lies_more_than_six_hours_before_the_start_is_not_judged() -> None:
    world = World(schedule="0 * * * *", startingDeadlineSeconds=60)
    world.settle()
    manifest = world.wanted
    world.now = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
    world.forget()
    world.apply_cron_job(manifest)
    world.settle()
    assert world.counts["missed"] == 6


def test_no_tick_is_missed_from_before_the_schedule_was_there() -> None:
    """A status brought from another cluster tells until when that one had settled."""
    world = World(schedule="0 * * * *", startingDeadlineSeconds=60)
    world.settle()
    manifest = world.wanted
    world.manifest["metadata"]["creationTimestamp"] = "2026-11-23T20:15:00Z"
    world.amend_status(settledUntil="2026-11-20T00:00:00Z")
    world.now = datetime(2026, 11, 23, 20, 16, tzinfo=UTC)
    world.forget()
    world.apply_cron_job(manifest)
    world.settle()
    assert world.counts["missed"] == 0


def test_a_run_whose_job_was_cleaned_up_while_no_operator_ran_is_not_called_missed() -> None:
    """Kubernetes keeps a hundred Jobs: of a run a minute, those of less than two hours."""
    world = World(schedule="* * * * *", startingDeadlineSeconds=60)
    world.settle()
    manifest = world.wanted
    world.forget()
    world.apply_cron_job(manifest)
    for number in range(201, 301):
        world.job(number=number, ended="Complete", tick=START + timedelta(minutes=number))
        world.pod(job=number, exit_code=0)
    world.now = START + timedelta(minutes=300, seconds=30)
    world.picture.begin()
    world.settle()
    assert world.counts["missed"] == 0
    world.now += timedelta(minutes=3)
    world.settle()
    assert world.counts["missed"] == 2


def test_a_job_by_hand_of_a_tick_to_come_says_nothing_of_those_before_it() -> None:
    world = World(schedule="0 * * * *")
    world.settle()
    world.job(number=1, ended="Failed", tick=datetime(2099, 1, 1, tzinfo=UTC))
    world.pod(exit_code=10)
    world.now = datetime(2026, 11, 23, 2, 0, 1, tzinfo=UTC)
    world.settle()
    assert world.counts["missed"] == 0


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "2026-01-01t00:00:00,5+99:99"])
def test_a_time_that_was_never_judged_to_is_put_right(time: str) -> None:
    """The schema lets both pass; the first is also left behind by a clock that was set."""
    world = World(schedule="0 * * * *", startingDeadlineSeconds=60)
    world.settle()
    world.amend_status(settledUntil=time)
    world.now = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
    world.settle()
    assert world.status["settledUntil"] == "2026-11-23T03:30:00Z"
