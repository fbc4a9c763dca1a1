"""The plan and the picture together, event by event, with no cluster and no clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from download_operator.cache.cache import Refusal
from download_operator.cache.objects import cron_job_of, job_of, pod_of, schedule_of
from download_operator.planning.actions import (
    CreateCronJob,
    ReadPods,
    ReplaceCronJob,
    StartRun,
    SuspendCronJob,
    Wait,
    WriteStatus,
)
from download_operator.planning.plan import REPAIR_PAUSE
from tests.unit.operator.objects import TICK, cron_job_manifest, job_manifest, pod_manifest
from tests.unit.operator.world import DOCUMENT, KEY, START, World


def kinds(actions: list[Any]) -> list[type]:
    return [type(action) for action in actions]


def late_job(version: int) -> dict[str, Any]:
    manifest = job_manifest(version=version, ended="Failed")
    late = {"reason": "DeadlineExceeded", "message": "It took too long"}
    manifest["status"]["conditions"][0].update(late)
    return manifest


def test_a_new_schedule_takes_two_writes_and_a_restart_none() -> None:
    world = World()
    assert kinds(world.settle()) == [CreateCronJob, WriteStatus]
    assert world.ready()["status"] == "True"
    assert world.status["nextRunTime"] == "2026-11-23T02:00:00Z"
    assert world.settle() == []
    world.forget()
    world.picture.put_cron_job(cron_job_of(cron_job_manifest()))
    assert world.settle() == []


def test_it_looks_again_a_minute_after_a_tick_that_brought_no_run() -> None:
    world = World()
    world.settle()
    assert world.decide() == Wait(datetime(2026, 11, 23, 2, 1, tzinfo=UTC))
    world.now = datetime(2026, 11, 23, 2, 0, 59, tzinfo=UTC)
    assert world.settle() == []
    world.now = datetime(2026, 11, 23, 2, 1, tzinfo=UTC)
    assert kinds(world.settle()) == [WriteStatus]
    assert world.status["nextRunTime"] == "2026-11-24T02:00:00Z"


def test_the_next_run_lies_ahead_where_robfig_leads_back() -> None:
    world = World(schedule="15 3 * * *", timeZone="Pacific/Chatham")
    world.now = datetime(2027, 4, 3, 14, 5, tzinfo=UTC)
    world.settle()
    assert world.status["nextRunTime"] == "2027-04-03T14:30:00Z"
    assert world.decide() == Wait(datetime(2027, 4, 3, 14, 31, tzinfo=UTC))


def test_a_run_takes_one_write_when_it_starts_and_one_when_it_ends() -> None:
    world = World()
    world.settle()
    world.job()
    assert world.settle() == []  # pending, and too young to be worth a write
    world.pod()
    assert kinds(world.settle()) == [WriteStatus]
    assert (world.run["state"], world.status["active"]) == ("Running", 1)
    world.pod(exit_code=0, message=DOCUMENT)
    assert world.settle() == []
    world.job(ended="Complete")
    assert kinds(world.settle()) == [WriteStatus]
    assert (world.run["state"], world.run["bytes"]) == ("Completed", 3)
    assert world.status["counts"] == {"completed": 1, "failed": 0, "missed": 0}


def test_an_attempt_that_fails_before_it_was_seen_to_run_takes_no_write_of_its_own() -> None:
    world = World()
    world.settle()
    world.job()
    world.settle()
    world.now += timedelta(seconds=6)
    world.pod(exit_code=10, message='{"reason": "HTTPStatus"}')
    assert world.settle() == []  # its Job's end, or another attempt, is a moment away
    world.job(ended="Failed")
    assert kinds(world.settle()) == [WriteStatus]
    assert (world.run["state"], world.run["reason"]) == ("Failed", "HTTPStatus")


def test_a_run_that_cannot_start_is_told_after_five_seconds() -> None:
    world = World()
    world.settle()
    world.job()
    world.pod(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    assert world.decide() == Wait(START + timedelta(seconds=5))
    world.now += timedelta(seconds=5)
    world.settle()
    assert (world.run["state"], world.run["reason"]) == ("Pending", "ImagePullBackOff")


def test_a_run_that_stays_pending_is_told_after_twenty_to_forty_seconds_and_then_why() -> None:
    world = World()
    world.settle()
    world.job()
    wait = world.decide()
    assert START + timedelta(seconds=20) <= wait.until <= START + timedelta(seconds=40)
    world.now = wait.until
    world.settle()
    assert world.run["state"] == "Pending"
    world.pod(waiting={"reason": "ContainerCreating", "message": ""})
    assert world.settle() == []
    world.pod(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    world.settle()
    assert (world.run["reason"], world.run["message"]) == ("ImagePullBackOff", "no such image")
    world.pod(waiting={"reason": "ErrImagePull", "message": "again"})
    assert world.settle() == []


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        (
            [{"waiting": {"reason": "ErrImagePull", "message": "no such image"}, "started": False}],
            "It took too long. The last attempt: ErrImagePull: no such image",
        ),
        (
            [
                {"exit_code": 20, "message": '{"reason": "Stalled", "message": "Silence."}'},
                {"exit_code": 143, "message": '{"reason": "Stopped", "message": "Ended."}'},
            ],
            "It took too long. The last attempt: Stalled: Silence.",
        ),
        ([{"exit_code": 143}], "It took too long"),
        ([], "It took too long"),
    ],
)
def test_a_run_out_of_time_tells_how_its_attempts_fared(
    pods: list[dict[str, Any]], message: str
) -> None:
    world = World()
    world.settle()
    for number, pod in enumerate(pods, start=1):
        world.pod(number=number, **pod)
    world.picture.put_job(job_of(late_job(world.next_version())))
    world.settle()
    assert (world.run["reason"], world.run["message"]) == ("DeadlineExceeded", message)


def test_a_run_out_of_time_tells_what_it_waited_for() -> None:
    """The kubelet forgets that with the Pod."""
    world = World()
    world.settle()
    world.job()
    world.pod(waiting={"reason": "ErrImagePull", "message": "no such image"})
    world.now += timedelta(seconds=5)
    world.settle()
    world.pod(exit_code=137, reason="ContainerStatusUnknown")
    world.picture.put_job(job_of(late_job(world.next_version())))
    world.settle()
    assert world.run["message"] == "It took too long. The last attempt: ErrImagePull: no such image"


def test_a_run_that_somebody_asked_for_is_told_at_once() -> None:
    world = World()
    world.settle()
    world.job(tick=None)
    world.settle()
    assert (world.run["state"], world.run["trigger"]) == ("Pending", "Manual")


@pytest.mark.parametrize("tick", [TICK, None])
def test_a_run_that_gets_no_pod_is_told_and_then_what_its_pod_says(tick: datetime | None) -> None:
    world = World()
    world.settle()
    world.job(tick=tick, active=0)
    world.settle()
    world.now += timedelta(seconds=40)
    assert kinds(world.settle()) == [WriteStatus]
    assert (world.run["state"], world.run["reason"]) == ("Pending", "NoPod")
    assert "kubectl describe job report-1" in world.run["message"]
    world.now += timedelta(seconds=40)
    assert world.settle() == []
    world.pod(waiting={"reason": "ImagePullBackOff", "message": "no such image"})
    world.settle()
    assert world.run["reason"] == "ImagePullBackOff"


def test_the_jobs_end_may_be_known_before_the_pods_last_word() -> None:
    world = World()
    world.settle()
    world.pod()
    world.job(ended="Complete")
    assert world.decide() == Wait(START + timedelta(seconds=5))
    world.pod(exit_code=0, message=DOCUMENT)
    world.settle()
    assert world.run["sha256"] == "a" * 64


def test_of_several_attempts_the_last_ones_word_is_asked_for_when_it_is_not_known() -> None:
    """The Job's own status tells how many there were; the watch of Pods may be behind."""
    world = World()
    world.settle()
    first = pod_manifest(exit_code=20, message='{"reason": "ConnectionLost"}')
    last = pod_manifest(number=2, exit_code=10, message='{"reason": "HTTPStatus"}')
    world.picture.put_pod(pod_of(first))
    manifest = job_manifest(ended="Failed", version=world.next_version())
    manifest["status"]["failed"] = 2
    world.picture.put_job(job_of(manifest))
    world.pods_in_cluster = lambda _: [first, last]  # type: ignore[method-assign,assignment]
    assert kinds(world.settle()) == [ReadPods, WriteStatus]
    assert (world.run["reason"], world.run["attempts"]) == ("HTTPStatus", 2)


def test_of_several_attempts_the_last_ones_end_is_waited_for_when_it_is_known() -> None:
    world = World()
    world.settle()
    world.picture.put_pod(pod_of(pod_manifest(exit_code=20)))
    world.picture.put_pod(pod_of(pod_manifest(number=2)))
    manifest = job_manifest(ended="Failed", version=world.next_version())
    manifest["status"]["failed"] = 2
    world.picture.put_job(job_of(manifest))
    assert world.decide() == Wait(START + timedelta(seconds=5))


def test_a_last_word_that_never_comes_is_not_waited_for_long() -> None:
    world = World()
    world.settle()
    world.job(ended="Failed")
    world.now += timedelta(seconds=5)
    world.settle()
    assert (world.run["state"], world.run["reason"]) == ("Failed", "BackoffLimitExceeded")


def test_many_runs_whose_pods_went_with_their_nodes_take_two_steps() -> None:
    world = World(historyLimit=100)
    world.settle()
    for number in range(1, 60):
        world.job(number=number, ended="Complete")
    assert kinds(world.settle()) == [ReadPods, WriteStatus]
    assert world.counts["completed"] == 59


@pytest.mark.parametrize("ended", [None, "Complete"])
def test_a_deleted_job_is_recorded_before_it_is_forgotten(ended: str | None) -> None:
    world = World()
    world.settle()
    world.pod(exit_code=None if ended is None else 0, message=DOCUMENT)
    world.delete_job(ended=ended)
    world.settle()
    assert world.run["state"] == ("Completed" if ended else "Failed")
    assert world.run.get("reason") == (None if ended else "JobDeleted")
    snapshot = world.picture.snapshot(KEY)
    assert snapshot
    assert snapshot.runs == ()
    assert world.settle() == []


def test_a_job_that_vanished_unseen_has_failed() -> None:
    world = World()
    world.settle()
    world.job()
    world.pod()
    world.settle()
    world.forget()
    world.picture.put_cron_job(cron_job_of(cron_job_manifest()))
    assert kinds(world.settle()) == [WriteStatus]
    assert world.run["reason"] == "JobDeleted"


def test_a_run_pushed_out_of_the_history_is_not_counted_again() -> None:
    world = World(historyLimit=1)
    world.settle()
    for number in (1, 2, 3):
        world.pod(job=number, exit_code=0, message=DOCUMENT)
        world.job(number=number, ended="Complete")
        world.settle()
    world.forget()
    world.picture.put_cron_job(cron_job_of(cron_job_manifest(historyLimit=1)))
    for number in (1, 2, 3):
        world.job(number=number, ended="Complete")
    assert world.settle() == []
    assert world.status["counts"]["completed"] == 3
    assert world.status["recorded"] == ["job-1", "job-2"]
    world.delete_job(number=1, ended="Complete")
    assert world.settle() == []  # what clean-up alone changes is not worth a write


def test_what_the_last_leader_counted_and_forgot_is_not_counted_by_a_standby_that_hears_late() -> (
    None
):
    world = World(historyLimit=1)
    world.settle()
    for number in (1, 2):
        world.job(number=number, ended="Complete")
        world.pod(job=number, exit_code=0)
        world.settle()
    assert world.status["recorded"] == ["job-1"]
    world.amend_status(recorded=[])  # by the leader, which has heard that its Job is gone
    world.delete_job(number=1, ended="Complete")
    assert world.settle() == []
    assert world.counts["completed"] == 2
    assert "job-1" not in repr(world.picture)


def test_an_edit_of_either_side_replaces_the_cron_job() -> None:
    world = World()
    world.settle()
    world.apply_cron_job(cron_job_manifest())
    world.picture.put_cron_job(
        cron_job_of(cron_job_manifest(version=world.next_version(), generation=2))
    )
    assert world.decide() == Wait(START + REPAIR_PAUSE)
    world.now += REPAIR_PAUSE
    assert kinds(world.settle()) == [ReplaceCronJob]


def test_whoever_keeps_deleting_the_cron_job_does_not_keep_the_operator_busy() -> None:
    world = World()
    world.settle()
    for _ in range(3):
        world.picture.remove_cron_job(cron_job_of(cron_job_manifest(world.next_version())))
        assert world.settle() == []
        world.now += REPAIR_PAUSE - timedelta(seconds=1)
        assert world.settle() == []
        world.now += timedelta(seconds=1)
        assert kinds(world.settle()) == [CreateCronJob]


def test_what_becomes_of_runs_is_told_though_a_webhook_takes_our_annotation_off() -> None:
    world = World()
    world.webhook = lambda manifest: manifest["metadata"].update(annotations={})
    assert kinds(world.settle()) == [CreateCronJob, WriteStatus]
    world.now += REPAIR_PAUSE
    assert kinds(world.settle()) == [ReplaceCronJob]
    world.job()
    world.pod()
    assert kinds(world.settle()) == [WriteStatus]


def test_what_becomes_of_runs_is_told_while_somebody_keeps_changing_the_cron_job() -> None:
    world = World()
    world.settle()
    world.picture.put_cron_job(cron_job_of(cron_job_manifest(world.next_version(), generation=2)))
    world.job()
    world.pod()
    assert kinds(world.settle()) == [WriteStatus]
    assert world.run["state"] == "Running"
    assert world.ready()["status"] == "True"


def test_an_edit_is_obeyed_at_once_and_so_is_its_undoing() -> None:
    world = World()
    world.settle()
    world.edit(schedule="5 4 * * *")
    assert kinds(world.settle()) == [ReplaceCronJob, WriteStatus]
    world.edit(schedule="0 2 * * *")
    assert kinds(world.settle()) == [ReplaceCronJob, WriteStatus]


def test_a_first_status_holds_nothing_that_is_zero_or_empty() -> None:
    world = World()
    world.settle()
    told = {"observedGeneration", "conditions", "cronJobName", "cronJobGeneration", "schedule"}
    assert world.status.keys() == told | {"settledUntil", "nextRunTime"}
    world.edit(suspend=True)
    world.settle()
    assert world.status.keys() == told


def test_suspended() -> None:
    world = World(suspend=True)
    world.settle()
    assert world.ready()["reason"] == "Suspended"
    assert "nextRunTime" not in world.status
    assert world.decide() == Wait(None)


def test_a_spec_that_cannot_be_carried_out() -> None:
    world = World(schedule="0 0 31 2 *")
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["reason"] == "InvalidSpec"
    assert world.decide() == Wait(None)


def test_a_cron_job_of_somebody_else() -> None:
    world = World()
    foreign = cron_job_manifest()
    foreign["metadata"]["ownerReferences"] = [
        {"kind": "Backup", "name": "x", "uid": "other", "controller": True}
    ]
    world.picture.put_cron_job(cron_job_of(foreign))
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["reason"] == "NameTaken"
    assert "belongs to Backup x" in world.ready()["message"]
    world.picture.remove_cron_job(cron_job_of(foreign))
    assert kinds(world.settle()) == [CreateCronJob, WriteStatus]


def test_a_refused_cron_job_is_asked_for_again_later_or_when_the_schedule_changes() -> None:
    world = World()
    action = world.decide()
    until = START + timedelta(seconds=60)
    refusal = Refusal(action.desired.spec_hash, "CronJobRefused", "quota", START)
    world.picture.refuse(KEY, refusal)
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["message"] == "quota"
    assert world.decide() == Wait(until)
    world.now = until
    assert kinds(world.settle()) == [CreateCronJob, WriteStatus]


def test_a_refused_cron_job_is_asked_for_again_when_the_clock_was_set_back() -> None:
    world = World()
    refusal = Refusal(world.decide().desired.spec_hash, "CronJobRefused", "quota", START)
    world.picture.refuse(KEY, refusal)
    world.settle()
    world.now -= timedelta(hours=1)
    assert kinds(world.settle())[0] is CreateCronJob


def test_an_end_is_told_at_once_when_the_clock_was_set_back() -> None:
    world = World()
    world.settle()
    world.pod()
    world.job(ended="Complete")
    assert isinstance(world.decide(), Wait)
    world.now -= timedelta(hours=1)
    assert ReadPods in kinds(world.settle())
    assert world.run["state"] == "Completed"


def test_the_next_run_goes_back_with_the_clock() -> None:
    world = World()
    world.now += timedelta(days=365)
    world.settle()
    world.now = START
    world.settle()
    assert world.status["nextRunTime"] == "2026-11-23T02:00:00Z"


def test_what_another_namespace_labels_as_ours_is_not() -> None:
    """Whoever may make a Job writes its labels, and UIDs are no secrets."""
    world = World()
    world.settle()
    forged = job_manifest(number=1, version=world.next_version(), ended="Failed", tick=None)
    forged["metadata"]["namespace"] = "others"
    world.picture.put_job(job_of(forged))
    world.ask_for_a_run("one")
    world.settle()  # a run of ours that is going would be waited for
    assert [run["token"] for run in world.status["history"]] == ["one"]
    assert world.counts["failed"] == 0
    world.picture.remove_job(job_of(forged))
    assert world.settle() == []


def test_an_attempt_in_another_namespace_is_none() -> None:
    world = World()
    world.settle()
    world.job(ended="Complete")
    forged = pod_manifest(version=world.next_version(), exit_code=0, message=DOCUMENT)
    forged["metadata"]["namespace"] = "others"
    world.picture.put_pod(pod_of(forged))
    world.settle()
    assert "sha256" not in world.run


def test_a_status_that_somebody_cut_is_completed() -> None:
    world = World()
    world.settle()
    whole = world.status
    world.store({"settledUntil": whole["settledUntil"]})
    world.picture.put_schedule(schedule_of(world.manifest))
    world.settle()
    assert world.status == whole


def test_a_schedule_on_its_way_out_is_left_alone() -> None:
    world = World()
    world.manifest["metadata"]["deletionTimestamp"] = "2026-11-23T01:00:00Z"
    world.manifest["metadata"]["resourceVersion"] = "500"
    world.forget()
    assert world.decide() == Wait(None)


def test_nothing_of_a_schedule_that_is_gone_is_remembered() -> None:
    """In a foreground deletion, and in that of a namespace, the news of its Jobs may come first."""
    world = World()
    world.settle()
    world.job()
    world.pod()
    world.settle()
    world.delete_job()
    world.picture.remove_schedule(schedule_of(world.manifest))
    assert "job-1" not in repr(world.picture)


def test_what_fires_at_one_tick_is_not_written_in_one_moment() -> None:
    world = World()
    world.settle()
    for number in range(1, 21):
        world.job(number=number)
    written = set()
    for _ in range(20):
        wait = world.decide()
        written.add(wait.until)
        world.now = wait.until
        world.settle()
    assert len(written) == 20
    assert max(written) - min(written) > timedelta(seconds=5)


@pytest.mark.parametrize("state", ["Running", "Completed", "Failed"])
def test_a_run_without_times_that_somebody_wrote_keeps_no_other_from_being_told(state: str) -> None:
    world = World()
    world.settle()
    run = {"id": "by-hand", "job": "none", "trigger": "Manual", "state": state}
    world.amend_status(history=[run])
    world.settle()
    world.job(ended="Complete")
    world.pod(exit_code=0, message=DOCUMENT)
    world.settle()
    assert world.run["job"] == "report-1"
    assert world.counts["completed"] == 1


def test_a_job_that_somebody_failed_without_a_time_ended_when_it_was_made() -> None:
    world = World()
    world.settle()
    manifest = job_manifest(version=world.next_version(), ended="Failed")
    manifest["status"]["conditions"][0]["lastTransitionTime"] = None
    world.picture.put_job(job_of(manifest))
    world.pod(exit_code=10)
    world.settle()
    assert world.run["completionTime"] == "2026-11-23T02:00:01Z"


@pytest.mark.parametrize("owners", [[], [{"kind": "X", "name": "x", "uid": "x"}]])
def test_a_cron_job_of_ours_whose_owner_was_taken_away_gets_it_back(owners: list[Any]) -> None:
    world = World()
    world.settle()
    manifest = cron_job_manifest(world.next_version())
    manifest["metadata"]["ownerReferences"] = owners
    world.picture.put_cron_job(cron_job_of(manifest))
    world.now += REPAIR_PAUSE
    assert kinds(world.settle()) == [ReplaceCronJob]


def test_a_cron_job_that_a_finalizer_keeps_starts_no_runs_and_that_is_told() -> None:
    world = World()
    world.settle()
    manifest = cron_job_manifest(world.next_version(), generation=2)
    manifest["metadata"]["deletionTimestamp"] = "2026-11-23T01:00:00Z"
    world.picture.put_cron_job(cron_job_of(manifest))
    world.ask_for_a_run("a")
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["reason"] == "CronJobDeleting"
    world.picture.remove_cron_job(cron_job_of(manifest))
    world.now += REPAIR_PAUSE
    assert kinds(world.settle()) == [CreateCronJob, StartRun, WriteStatus]
    assert world.ready()["status"] == "True"


def test_of_a_bad_spec_only_its_suspension_is_obeyed() -> None:
    world = World()
    world.settle()
    world.edit(schedule="0 0 31 2 *")
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["message"].endswith("CronJob report goes on by the spec before")
    world.edit(suspend=True)
    assert isinstance(world.decide(), SuspendCronJob)
    manifest = cron_job_manifest(world.next_version(), generation=2)
    manifest["metadata"]["annotations"] = {"downloads.dev/spec-hash": "stopped"}
    world.picture.wrote_cron_job(KEY, "stopped", cron_job_of(manifest))
    assert kinds(world.settle()) == [WriteStatus]
    assert world.ready()["message"].endswith("CronJob report is suspended")
    world.edit(schedule="0 2 * * *", suspend=False)
    assert kinds(world.settle()) == [ReplaceCronJob, WriteStatus]
