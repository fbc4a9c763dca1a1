"""What a status holds, and which changes are worth a write."""

from datetime import UTC, datetime, timedelta

from download_operator.cache.objects import parse_schedule
from download_operator.planning.actions import Wait, WriteStatus
from tests.support.fake_cluster import START, FakeCluster


def test_first_status_has_no_field_that_is_zero_or_empty() -> None:
    always = {"observedGeneration", "conditions", "cronJobName", "cronJobGeneration", "schedule"}
    cluster = FakeCluster()

    cluster.settle()
    assert cluster.status.keys() == always | {"settledUntil", "nextRunTime"}

    cluster.edit_spec(suspend=True)
    cluster.settle()
    assert cluster.status.keys() == always | {"settledUntil"}


def test_status_of_which_somebody_removed_fields_is_completed() -> None:
    cluster = FakeCluster()
    cluster.settle()
    complete = cluster.status

    cluster.store_status({"settledUntil": complete["settledUntil"]})
    cluster.cache.put_schedule(parse_schedule(cluster.manifest))
    cluster.settle()

    assert cluster.status == complete


def test_next_run_moves_on_a_minute_after_a_tick_without_a_run() -> None:
    cluster = FakeCluster()
    cluster.settle()
    assert cluster.plan() == Wait(datetime(2026, 11, 23, 2, 1, tzinfo=UTC))

    cluster.now = datetime(2026, 11, 23, 2, 0, 59, tzinfo=UTC)
    assert cluster.settle() == []
    cluster.now = datetime(2026, 11, 23, 2, 1, tzinfo=UTC)
    (action,) = cluster.settle()

    assert isinstance(action, WriteStatus)
    assert cluster.status["nextRunTime"] == "2026-11-24T02:00:00Z"


def test_next_run_is_ahead_where_robfig_leads_back() -> None:
    cluster = FakeCluster(schedule="15 3 * * *", timeZone="Pacific/Chatham")
    cluster.now = datetime(2027, 4, 3, 14, 5, tzinfo=UTC)

    cluster.settle()

    assert cluster.status["nextRunTime"] == "2027-04-03T14:30:00Z"
    assert cluster.plan() == Wait(datetime(2027, 4, 3, 14, 31, tzinfo=UTC))


def test_next_run_moves_back_with_the_clock() -> None:
    cluster = FakeCluster()
    cluster.now += timedelta(days=365)
    cluster.settle()

    cluster.now = START
    cluster.settle()

    assert cluster.status["nextRunTime"] == "2026-11-23T02:00:00Z"
