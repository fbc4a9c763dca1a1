"""When a run is recorded: soon enough to be useful, late enough to save a write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_operator.cache.objects import parse_cron_job, parse_job, parse_pod
from download_operator.planning.actions import ReadPods, Wait, WriteStatus
from download_operator.planning.recordable_runs import (
    PENDING_GRACE,
    PENDING_PATIENCE,
    PENDING_SPREAD,
    RESULT_GRACE,
)
from tests.support.cluster_objects import TICK, cron_job_manifest, job_manifest, pod_manifest
from tests.support.fake_cluster import RESULT, START, FakeCluster

SECOND = timedelta(seconds=1)


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.settle()
    return cluster


def kinds(actions: list[Any]) -> list[type]:
    return [type(action) for action in actions]


def test_run_takes_one_write_when_it_starts_and_one_when_it_ends(cluster: FakeCluster) -> None:
    cluster.job_event()
    assert cluster.settle() == []  # pending, and too young to be worth a write

    cluster.pod_event()
    assert kinds(cluster.settle()) == [WriteStatus]
    assert (cluster.newest_run["state"], cluster.status["active"]) == ("Running", 1)

    cluster.pod_event(exit_code=0, message=RESULT)
    assert cluster.settle() == []
    cluster.job_event(ended="Complete")
    assert kinds(cluster.settle()) == [WriteStatus]
    assert (cluster.newest_run["state"], cluster.newest_run["bytes"]) == ("Completed", 3)
    assert cluster.status["counts"] == {"completed": 1, "failed": 0, "missed": 0}


def test_attempt_that_fails_before_it_was_seen_running_takes_no_write(
    cluster: FakeCluster,
) -> None:
    cluster.job_event()
    cluster.settle()
    cluster.now += PENDING_GRACE + SECOND

    cluster.pod_event(exit_code=10, message='{"reason": "HTTPStatus"}')
    assert cluster.settle() == []  # its Job's end, or another attempt, is a moment away

    cluster.job_event(ended="Failed")
    assert kinds(cluster.settle()) == [WriteStatus]
    assert (cluster.newest_run["state"], cluster.newest_run["reason"]) == ("Failed", "HTTPStatus")


def test_run_that_cannot_start_is_recorded_after_five_seconds(cluster: FakeCluster) -> None:
    cluster.job_event()
    cluster.pod_event(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    assert cluster.plan() == Wait(START + PENDING_GRACE)

    cluster.now += PENDING_GRACE
    cluster.settle()

    assert cluster.newest_run["state"] == "Pending"
    assert cluster.newest_run["reason"] == "ImagePullBackOff"


def test_pending_run_is_recorded_after_twenty_to_forty_seconds_and_then_its_reason(
    cluster: FakeCluster,
) -> None:
    cluster.job_event()
    wait = cluster.plan()
    earliest = START + PENDING_PATIENCE
    assert earliest <= wait.until <= earliest + PENDING_SPREAD

    cluster.now = wait.until
    cluster.settle()
    assert cluster.newest_run["state"] == "Pending"

    cluster.pod_event(waiting={"reason": "ContainerCreating", "message": ""})
    assert cluster.settle() == []
    cluster.pod_event(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    cluster.settle()
    assert cluster.newest_run["reason"] == "ImagePullBackOff"
    assert cluster.newest_run["message"] == "no such image"

    cluster.pod_event(waiting={"reason": "ErrImagePull", "message": "again"})
    assert cluster.settle() == []


def test_run_out_of_time_shows_what_its_stored_entry_says(cluster: FakeCluster) -> None:
    """The kubelet forgets why a container waited when it deletes the Pod."""
    cluster.job_event()
    cluster.pod_event(waiting={"reason": "ErrImagePull", "message": "no such image"})
    cluster.now += PENDING_GRACE
    cluster.settle()

    cluster.pod_event(exit_code=137, reason="ContainerStatusUnknown")
    manifest = job_manifest(version=cluster.next_version(), ended="Failed")
    deadline = {"reason": "DeadlineExceeded", "message": "It took too long"}
    manifest["status"]["conditions"][0].update(deadline)
    cluster.cache.put_job(parse_job(manifest))
    cluster.settle()

    expected = "It took too long. The last attempt: ErrImagePull: no such image"
    assert cluster.newest_run["message"] == expected


WAIT_FOR = {"atMostSeconds": 1800, "everySeconds": 60}


@pytest.mark.parametrize(
    ("wait_for", "tick", "message"),
    [
        (
            WAIT_FOR,
            TICK,
            "If the file is not there yet, the run looks again every 60 seconds until "
            "2026-11-23T02:30:00Z.",
        ),
        (
            {**WAIT_FOR, "until": "Changed"},
            None,
            "If the file has not changed yet, the run looks again every 60 seconds for up to 1800 "
            "seconds.",
        ),
        (WAIT_FOR, TICK - timedelta(minutes=30), None),
        (WAIT_FOR, datetime.max.replace(tzinfo=UTC), None),
    ],
    ids=["scheduled", "manual", "too late to wait", "hostile"],
)
def test_run_that_may_wait_says_until_when_without_another_write(
    wait_for: dict[str, Any], tick: datetime | None, message: str | None
) -> None:
    volume = {"destination": {"volume": {"claimName": "data"}}}
    cluster = FakeCluster(waitFor=wait_for, **volume)
    cluster.settle()
    cluster.job_event(tick=tick)
    cluster.pod_event()

    cluster.settle()
    assert cluster.newest_run["state"] == "Running"
    assert cluster.newest_run.get("message") == message

    cluster.pod_event(number=2)
    assert cluster.settle() == []
    cluster.pod_event(exit_code=0, message=RESULT)
    cluster.job_event(ended="Complete", tick=tick)
    cluster.settle()
    assert cluster.newest_run["state"] == "Completed"
    assert "message" not in cluster.newest_run


def test_run_whose_first_attempt_failed_says_why_and_not_that_it_waits() -> None:
    cluster = FakeCluster(waitFor=WAIT_FOR)
    cluster.settle()
    cluster.job_event()
    cluster.pod_event(exit_code=20, message='{"reason": "Stalled", "message": "Silence."}')
    cluster.pod_event(number=2)

    cluster.settle()

    assert cluster.newest_run["reason"] == "Stalled"
    assert cluster.newest_run["message"] == "Silence."


def test_requested_run_is_recorded_at_once(cluster: FakeCluster) -> None:
    cluster.job_event(tick=None)
    cluster.settle()

    assert cluster.newest_run["state"] == "Pending"
    assert cluster.newest_run["trigger"] == "Manual"


@pytest.mark.parametrize("tick", [TICK, None])
def test_run_without_a_pod_is_recorded_and_then_what_its_pod_says(
    cluster: FakeCluster, tick: datetime | None
) -> None:
    cluster.job_event(tick=tick, active=0)
    cluster.settle()
    cluster.now += PENDING_PATIENCE + PENDING_SPREAD
    assert kinds(cluster.settle()) == [WriteStatus]
    assert (cluster.newest_run["state"], cluster.newest_run["reason"]) == ("Pending", "NoPod")
    assert "kubectl describe job report-1" in cluster.newest_run["message"]

    cluster.now += PENDING_PATIENCE + PENDING_SPREAD
    assert cluster.settle() == []

    cluster.pod_event(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    cluster.settle()
    assert cluster.newest_run["reason"] == "ImagePullBackOff"


def test_end_of_a_job_waits_for_the_last_event_of_its_pod(cluster: FakeCluster) -> None:
    cluster.pod_event()
    cluster.job_event(ended="Complete")
    assert cluster.plan() == Wait(START + RESULT_GRACE)

    cluster.pod_event(exit_code=0, message=RESULT)
    cluster.settle()

    assert cluster.newest_run["sha256"] == "a" * 64


def test_pods_are_listed_if_the_job_had_more_than_were_observed(cluster: FakeCluster) -> None:
    first = pod_manifest(exit_code=20, message='{"reason": "ConnectionLost"}')
    last = pod_manifest(number=2, exit_code=10, message='{"reason": "HTTPStatus"}')
    cluster.cache.put_pod(parse_pod(first))
    cluster.list_pods = lambda _: [first, last]

    manifest = job_manifest(ended="Failed", version=cluster.next_version())
    manifest["status"]["failed"] = 2
    cluster.cache.put_job(parse_job(manifest))

    assert kinds(cluster.settle()) == [ReadPods, WriteStatus]
    assert (cluster.newest_run["reason"], cluster.newest_run["attempts"]) == ("HTTPStatus", 2)


def test_end_of_the_last_pod_is_awaited_if_all_pods_were_observed(cluster: FakeCluster) -> None:
    cluster.cache.put_pod(parse_pod(pod_manifest(exit_code=20)))
    cluster.cache.put_pod(parse_pod(pod_manifest(number=2)))

    manifest = job_manifest(ended="Failed", version=cluster.next_version())
    manifest["status"]["failed"] = 2
    cluster.cache.put_job(parse_job(manifest))

    assert cluster.plan() == Wait(START + RESULT_GRACE)


def test_pod_that_is_never_observed_does_not_delay_the_record(cluster: FakeCluster) -> None:
    cluster.job_event(ended="Failed")
    cluster.now += RESULT_GRACE
    cluster.settle()

    assert cluster.newest_run["state"] == "Failed"
    assert cluster.newest_run["reason"] == "BackoffLimitExceeded"


@pytest.mark.parametrize("ended", [None, "Complete"])
def test_deleted_job_is_recorded_before_it_is_forgotten(
    cluster: FakeCluster, ended: str | None
) -> None:
    cluster.pod_event(exit_code=None if ended is None else 0, message=RESULT)
    cluster.job_deleted_event(ended=ended)
    cluster.settle()

    assert cluster.newest_run["state"] == ("Completed" if ended else "Failed")
    assert cluster.newest_run.get("reason") == (None if ended else "JobDeleted")
    assert cluster.snapshot().runs == ()
    assert cluster.settle() == []


def test_job_that_disappeared_unobserved_has_failed(cluster: FakeCluster) -> None:
    cluster.job_event()
    cluster.pod_event()
    cluster.settle()

    cluster.restart_operator()
    cluster.cache.put_cron_job(parse_cron_job(cron_job_manifest()))

    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.newest_run["reason"] == "JobDeleted"


def test_run_pushed_out_of_the_history_is_not_counted_again() -> None:
    cluster = FakeCluster(historyLimit=1)
    cluster.settle()
    for number in (1, 2, 3):
        cluster.pod_event(job=number, exit_code=0, message=RESULT)
        cluster.job_event(number=number, ended="Complete")
        cluster.settle()

    cluster.restart_operator()
    cluster.cache.put_cron_job(parse_cron_job(cron_job_manifest(historyLimit=1)))
    for number in (1, 2, 3):
        cluster.job_event(number=number, ended="Complete")

    assert cluster.settle() == []
    assert cluster.status["counts"]["completed"] == 3
    assert cluster.status["recorded"] == ["job-1", "job-2"]
    cluster.job_deleted_event(number=1, ended="Complete")
    assert cluster.settle() == []  # the clean-up of a Job alone is not worth a write


def test_run_is_not_counted_again_by_a_standby_that_observes_its_deletion_late() -> None:
    cluster = FakeCluster(historyLimit=1)
    cluster.settle()
    for number in (1, 2):
        cluster.job_event(number=number, ended="Complete")
        cluster.pod_event(job=number, exit_code=0)
        cluster.settle()
    assert cluster.status["recorded"] == ["job-1"]

    cluster.edit_status(recorded=[])  # by the leader, which has observed the deletion
    cluster.job_deleted_event(number=1, ended="Complete")

    assert cluster.settle() == []
    assert cluster.counts["completed"] == 2
    assert [run.job.uid for run, _ in cluster.snapshot().runs] == ["job-2"]


def test_end_is_recorded_at_once_when_the_clock_was_set_back(cluster: FakeCluster) -> None:
    cluster.pod_event()
    cluster.job_event(ended="Complete")
    assert isinstance(cluster.plan(), Wait)

    cluster.now -= timedelta(hours=1)

    assert ReadPods in kinds(cluster.settle())
    assert cluster.newest_run["state"] == "Completed"


def test_runs_of_one_tick_are_not_recorded_in_one_moment(cluster: FakeCluster) -> None:
    for number in range(1, 21):
        cluster.job_event(number=number)

    written_at = set()
    for _ in range(20):
        wait = cluster.plan()
        written_at.add(wait.until)
        cluster.now = wait.until
        cluster.settle()

    assert len(written_at) == 20
    assert max(written_at) - min(written_at) > timedelta(seconds=5)


@pytest.mark.parametrize("state", ["Running", "Completed", "Failed"])
def test_hand_written_run_without_times_does_not_keep_others_from_being_recorded(
    cluster: FakeCluster, state: str
) -> None:
    run = {"id": "by-hand", "job": "none", "trigger": "Manual", "state": state}
    cluster.edit_status(history=[run])
    cluster.settle()

    cluster.job_event(ended="Complete")
    cluster.pod_event(exit_code=0, message=RESULT)
    cluster.settle()

    assert cluster.newest_run["job"] == "report-1"
    assert cluster.counts["completed"] == 1
