"""Which ticks started a run, and which are missed for good."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.planning.actions import ReadJobs, StartRun, WriteStatus
from download_operator.planning.missed_ticks import MAX_JUDGED, explain_missed, judge
from download_schedule import cron
from tests.support.cluster_objects import job_manifest
from tests.support.fake_cluster import FakeCluster

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
        (2.1, [2], 2, [1], None),  # the controller catches up on the latest tick only
        (3.1, [1], 2, [2], 3),
    ],
)
def test_tick_without_a_job_is_missed_once_it_can_no_longer_start_a_run(
    now: float, started: list[int], settled: int, missed: list[int], open_tick: int | None
) -> None:
    judgement = judge(EVERY_MINUTE, START, at(now), at(now), DEADLINE, set(map(at, started)))

    assert judgement.settled_until == at(settled)
    assert judgement.missed == tuple(map(at, missed))
    assert judgement.open_tick == (None if open_tick is None else at(open_tick))


@given(st.sets(st.integers(1, 60)), st.lists(st.floats(0, 90), max_size=10))
def test_every_tick_is_judged_once_at_whatever_times(started: set[int], times: list[float]) -> None:
    """Jobs are observed at their tick; the last judgement is long after."""
    settled_until = START
    missed: list[datetime] = []

    for now in [*sorted(times), 120.0]:
        observed = {at(minute) for minute in started if minute <= now}
        judgement = judge(EVERY_MINUTE, settled_until, at(now), at(now), DEADLINE, observed)
        settled_until = judgement.settled_until
        missed += judgement.missed

    assert missed == [at(minute) for minute in range(1, 120) if minute not in started]


def test_long_outage_is_judged_in_steps() -> None:
    judgement = judge(EVERY_MINUTE, START, at(5000), at(5000), DEADLINE, set())

    assert len(judgement.missed) == MAX_JUDGED
    assert judgement.settled_until == at(MAX_JUDGED)


def test_ticks_that_robfig_repeats_in_a_circle_are_judged_once() -> None:
    quarters = cron.parse("*/15 3 * * *", "Pacific/Chatham")
    start = datetime(2027, 4, 3, 12, tzinfo=UTC)
    end = start + timedelta(hours=12)

    judgement = judge(quarters, start, end, end, DEADLINE, set())

    assert len(judgement.missed) == len(set(judgement.missed)) < 10


def test_explanation_names_the_run_in_the_way() -> None:
    run: dict[str, Any] = {"job": "report-1", "startTime": "2026-11-23T00:59:00Z"}
    assert "report-1 was still active" in explain_missed([at(1)], [run])

    ended = {**run, "completionTime": "2026-11-23T01:00:30Z"}
    expected = "The tick 2026-11-23T01:01:00Z started no run within startingDeadlineSeconds."
    assert explain_missed([at(1)], [ended]) == expected
    assert "2 ticks up to" in explain_missed([at(1), at(2)], [])


def test_missed_tick_is_counted_and_explained_once() -> None:
    cluster = FakeCluster(schedule="0 2 * * *", startingDeadlineSeconds=60)
    cluster.settle()
    cluster.now = datetime(2026, 11, 23, 2, 1, 14, tzinfo=UTC)
    cluster.settle()
    assert cluster.counts["missed"] == 0

    cluster.now += timedelta(seconds=1)
    listing, action = cluster.settle()

    assert isinstance(listing, ReadJobs)
    assert isinstance(action, WriteStatus)
    assert action.warning.startswith("The tick 2026-11-23T02:00:00Z started no run")
    assert cluster.counts["missed"] == 1

    cluster.now += timedelta(hours=1)
    assert all(not action.warning for action in cluster.settle())
    assert cluster.counts["missed"] == 1


def test_tick_whose_job_the_watch_has_not_delivered_is_not_missed() -> None:
    """A watch whose connection died silently is started again after a hundred seconds."""
    cluster = FakeCluster(schedule="0 2 * * *", startingDeadlineSeconds=10)
    cluster.settle()
    job = job_manifest(version=cluster.next_version())
    cluster.list_jobs = lambda: [job]

    cluster.now = datetime(2026, 11, 23, 2, 0, 25, tzinfo=UTC)
    cluster.settle()
    cluster.now += timedelta(hours=1)
    cluster.settle()

    assert cluster.counts["missed"] == 0
    assert cluster.newest_run["id"] == "job-1"


def test_jobs_are_listed_once_for_all_ticks_that_look_missed() -> None:
    cluster = FakeCluster(schedule="* * * * *", startingDeadlineSeconds=10)
    cluster.settle()

    cluster.now += timedelta(minutes=40, seconds=30)

    assert [type(action) for action in cluster.settle()] == [ReadJobs, WriteStatus]
    assert cluster.counts["missed"] == 40


def test_jobs_are_not_listed_again_after_a_start() -> None:
    cluster = FakeCluster(schedule="* * * * *", startingDeadlineSeconds=10)
    cluster.settle()
    cluster.now += timedelta(minutes=40, seconds=30)
    cluster.settle()

    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    cluster.now += timedelta(minutes=1)
    cluster.cache.start_observing()

    assert [type(action) for action in cluster.settle()] == [WriteStatus]
    assert cluster.counts["missed"] == 41


def test_tick_whose_run_left_the_history_is_not_missed() -> None:
    cluster = FakeCluster(schedule="* * * * *", historyLimit=1, startingDeadlineSeconds=10)
    cluster.settle()

    for number in range(1, 5):
        cluster.now = START + timedelta(minutes=number)
        cluster.job_event(number=number, ended="Failed", tick=cluster.now)
        cluster.pod_event(job=number, exit_code=10)
        cluster.settle()
        cluster.job_deleted_event(number=number, ended="Failed", tick=cluster.now)
        cluster.now += timedelta(seconds=50)
        cluster.settle()

    assert cluster.status["counts"] == {"completed": 0, "failed": 4, "missed": 0}


def test_no_tick_is_missed_while_suspended_or_before_an_edit() -> None:
    cluster = FakeCluster(schedule="* * * * *", suspend=True)
    cluster.settle()
    cluster.now += timedelta(hours=1)
    assert cluster.settle() == []

    cluster.edit_spec(suspend=False)
    cluster.settle()

    assert cluster.counts["missed"] == 0
    assert cluster.status["nextRunTime"] == "2026-11-23T02:01:00Z"


def test_tick_is_missed_at_the_end_of_the_longest_deadline() -> None:
    cluster = FakeCluster(schedule="0 2 * * *", startingDeadlineSeconds=12 * 3600)
    cluster.settle()

    cluster.now = datetime(2026, 11, 23, 14, 0, 14, tzinfo=UTC)
    cluster.settle()
    assert cluster.counts["missed"] == 0

    cluster.now += timedelta(seconds=1)
    cluster.settle()
    assert cluster.counts["missed"] == 1


def test_ticks_more_than_six_hours_before_the_start_are_not_judged() -> None:
    cluster = FakeCluster(schedule="0 * * * *", startingDeadlineSeconds=60)
    cluster.settle()

    cluster.now = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    cluster.settle()

    assert cluster.counts["missed"] == 6


def test_ticks_before_the_schedule_was_created_are_not_judged() -> None:
    """A status restored from another cluster says how far that cluster had judged."""
    cluster = FakeCluster(schedule="0 * * * *", startingDeadlineSeconds=60)
    cluster.settle()

    cluster.manifest["metadata"]["creationTimestamp"] = "2026-11-23T20:15:00Z"
    cluster.edit_status(settledUntil="2026-11-20T00:00:00Z")
    cluster.now = datetime(2026, 11, 23, 20, 16, tzinfo=UTC)
    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    cluster.settle()

    assert cluster.counts["missed"] == 0


def test_run_whose_job_was_cleaned_up_while_no_operator_ran_is_not_missed() -> None:
    """Kubernetes keeps a hundred Jobs: of a run a minute, those of less than two hours."""
    cluster = FakeCluster(schedule="* * * * *", startingDeadlineSeconds=60)
    cluster.settle()

    cluster.restart_operator()
    cluster.store_cron_job(cluster.desired_manifest)
    for number in range(201, 301):
        tick = START + timedelta(minutes=number)
        cluster.job_event(number=number, ended="Complete", tick=tick)
        cluster.pod_event(job=number, exit_code=0)
    cluster.now = START + timedelta(minutes=300, seconds=30)
    cluster.cache.start_observing()
    cluster.settle()
    assert cluster.counts["missed"] == 0

    cluster.now += timedelta(minutes=3)
    cluster.settle()
    assert cluster.counts["missed"] == 2


def test_hand_made_job_for_a_future_tick_says_nothing_about_earlier_ticks() -> None:
    cluster = FakeCluster(schedule="0 * * * *")
    cluster.settle()

    tick = datetime(2099, 1, 1, tzinfo=UTC)
    cluster.job_event(number=1, ended="Failed", tick=tick)
    cluster.pod_event(exit_code=10)
    cluster.now = datetime(2026, 11, 23, 2, 0, 1, tzinfo=UTC)
    cluster.settle()

    assert cluster.counts["missed"] == 0


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "2026-01-01t00:00:00,5+99:99"])
def test_settled_until_in_the_future_or_unreadable_is_corrected(time: str) -> None:
    """The schema accepts both; a clock that was set wrong leaves the first behind."""
    cluster = FakeCluster(schedule="0 * * * *", startingDeadlineSeconds=60)
    cluster.settle()

    cluster.edit_status(settledUntil=time)
    cluster.now = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
    cluster.settle()

    assert cluster.status["settledUntil"] == "2026-11-23T03:30:00Z"


SKIPPED = '{"reason":"Excluded","message":"2026-11-24 is in exclude.dates."}'


def test_day_that_is_left_out_is_passed_over_and_not_missed() -> None:
    exclude = {"dates": ["2026-11-24/2026-11-25"]}
    cluster = FakeCluster(schedule="0 2 * * *", exclude=exclude, startingDeadlineSeconds=60)
    cluster.settle()
    cluster.job_event(ended="Complete")
    cluster.pod_event(exit_code=0)
    cluster.now = datetime(2026, 11, 23, 2, 5, tzinfo=UTC)
    cluster.settle()
    assert cluster.status["nextRunTime"] == "2026-11-26T02:00:00Z"

    tick = datetime(2026, 11, 24, 2, tzinfo=UTC)
    cluster.now = tick + timedelta(seconds=5)
    cluster.job_event(number=2, ended="Complete", tick=tick)
    cluster.pod_event(job=2, exit_code=0, message=SKIPPED)
    cluster.settle()
    assert (cluster.newest_run["state"], cluster.newest_run["reason"]) == ("Skipped", "Excluded")
    assert cluster.status["nextRunTime"] == "2026-11-26T02:00:00Z"
    assert cluster.status["conditions"][1]["message"] == "report-1 completed."

    cluster.now = datetime(2026, 11, 26, 3, tzinfo=UTC)  # no Job on 25 and 26 November
    cluster.settle()
    assert cluster.status["counts"] == {"completed": 1, "failed": 0, "missed": 1, "skipped": 1}


def test_schedule_that_leaves_out_a_year_says_so_once() -> None:
    cluster = FakeCluster(exclude={"dates": ["2026-01-01/2028-01-01"]})
    assert len(cluster.settle()) == 2
    assert cluster.settle() == []
    assert "nextRunTime" not in cluster.status
    assert cluster.ready["status"] == "True"
    assert cluster.ready["message"].endswith(
        "But spec.exclude leaves out every tick of the next year, so that all of them end as "
        "Skipped: leave out fewer days, or suspend the schedule."
    )

    cluster.now += timedelta(days=40)
    cluster.settle()
    assert cluster.status["nextRunTime"] == "2028-01-02T02:00:00Z"
    assert cluster.ready["message"] == "CronJob report starts the runs."


def test_requested_run_has_a_job_that_leaves_out_no_day() -> None:
    cluster = FakeCluster(exclude={"dates": ["2026-11-23"]})
    cluster.settle()
    cluster.request_run("once")
    (start,) = (action for action in cluster.settle() if isinstance(action, StartRun))
    (container,) = start.manifest["spec"]["template"]["spec"]["containers"]
    assert "exclude" not in json.dumps(container)


def test_skipped_run_that_fills_the_history_leaves_healthy_as_it_is() -> None:
    cluster = FakeCluster(historyLimit=1, exclude={"dates": ["2026-11-24"]})
    cluster.settle()
    cluster.job_event(ended="Failed")
    cluster.pod_event(exit_code=10, message='{"reason":"HTTPStatus"}')
    cluster.settle()
    before = cluster.status["conditions"][1]
    assert (before["type"], before["status"]) == ("Healthy", "False")

    cluster.now = datetime(2026, 11, 24, 2, 0, 5, tzinfo=UTC)
    cluster.job_event(number=2, ended="Complete", tick=datetime(2026, 11, 24, 2, tzinfo=UTC))
    cluster.pod_event(job=2, exit_code=0, message=SKIPPED)
    cluster.settle()
    assert [run["state"] for run in cluster.status["history"]] == ["Skipped"]
    assert cluster.status["conditions"][1] == before
    assert cluster.status["consecutiveFailures"] == 1
