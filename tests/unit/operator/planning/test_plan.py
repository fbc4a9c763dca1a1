"""The next action for a schedule's CronJob, and the condition that reports it."""

from datetime import timedelta
from typing import Any

import pytest

from download_operator.cache.objects import parse_cron_job, parse_job, parse_pod
from download_operator.cache.snapshot import Refusal
from download_operator.planning.actions import (
    CreateCronJob,
    ReadPods,
    ReplaceCronJob,
    StartRun,
    SuspendCronJob,
    Wait,
    WriteStatus,
)
from download_operator.planning.plan import REFUSAL_PAUSE, REPAIR_PAUSE
from tests.support.cluster_objects import (
    SETTINGS,
    cron_job_manifest,
    job_manifest,
    pod_manifest,
)
from tests.support.fake_cluster import KEY, RESULT, START, FakeCluster


def kinds(actions: list[Any]) -> list[type]:
    return [type(action) for action in actions]


def test_new_schedule_takes_two_writes_and_a_restart_none() -> None:
    cluster = FakeCluster()

    assert kinds(cluster.settle()) == [CreateCronJob, WriteStatus]
    assert cluster.ready["status"] == "True"
    assert cluster.status["nextRunTime"] == "2026-11-23T02:00:00Z"
    assert cluster.settle() == []

    cluster.restart_operator()
    cluster.cache.put_cron_job(parse_cron_job(cron_job_manifest()))
    assert cluster.settle() == []


def test_edit_of_the_cron_job_is_reverted_after_a_pause() -> None:
    cluster = FakeCluster()
    cluster.settle()
    cluster.store_cron_job(cron_job_manifest())

    edited = cron_job_manifest(version=cluster.next_version(), generation=2)
    cluster.cache.put_cron_job(parse_cron_job(edited))

    assert cluster.plan() == Wait(START + REPAIR_PAUSE)
    cluster.now += REPAIR_PAUSE
    assert kinds(cluster.settle()) == [ReplaceCronJob]


def test_cron_job_that_keeps_being_deleted_is_created_once_a_pause() -> None:
    cluster = FakeCluster()
    cluster.settle()

    for _ in range(3):
        cluster.cache.remove_cron_job(parse_cron_job(cron_job_manifest(cluster.next_version())))
        assert cluster.settle() == []
        cluster.now += REPAIR_PAUSE - timedelta(seconds=1)
        assert cluster.settle() == []
        cluster.now += timedelta(seconds=1)
        assert kinds(cluster.settle()) == [CreateCronJob]


def test_runs_are_recorded_while_a_webhook_removes_our_annotation() -> None:
    cluster = FakeCluster()
    cluster.webhook = lambda manifest: manifest["metadata"].update(annotations={})
    assert kinds(cluster.settle()) == [CreateCronJob, WriteStatus]
    cluster.now += REPAIR_PAUSE
    assert kinds(cluster.settle()) == [ReplaceCronJob]

    cluster.job_event()
    cluster.pod_event()

    assert kinds(cluster.settle()) == [WriteStatus]


def test_runs_are_recorded_while_somebody_keeps_editing_the_cron_job() -> None:
    cluster = FakeCluster()
    cluster.settle()
    edited = cron_job_manifest(cluster.next_version(), generation=2)
    cluster.cache.put_cron_job(parse_cron_job(edited))

    cluster.job_event()
    cluster.pod_event()

    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.newest_run["state"] == "Running"
    assert cluster.ready["status"] == "True"


def test_edit_of_the_schedule_and_its_reversal_take_effect_at_once() -> None:
    cluster = FakeCluster()
    cluster.settle()

    cluster.edit_spec(schedule="5 4 * * *")
    assert kinds(cluster.settle()) == [ReplaceCronJob, WriteStatus]
    cluster.edit_spec(schedule="0 2 * * *")
    assert kinds(cluster.settle()) == [ReplaceCronJob, WriteStatus]


def test_suspended_schedule_is_ready_and_waits_for_events() -> None:
    cluster = FakeCluster(suspend=True)
    cluster.settle()

    assert cluster.ready["reason"] == "Suspended"
    assert "nextRunTime" not in cluster.status
    assert cluster.plan() == Wait(None)


def test_invalid_spec_is_reported_once() -> None:
    cluster = FakeCluster(schedule="0 0 31 2 *")

    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["reason"] == "InvalidSpec"
    assert cluster.plan() == Wait(None)


def test_only_suspend_of_an_invalid_spec_is_honoured() -> None:
    cluster = FakeCluster()
    cluster.settle()

    cluster.edit_spec(schedule="0 0 31 2 *")
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["message"].endswith("CronJob report still runs the previous spec")

    cluster.edit_spec(suspend=True)
    assert isinstance(cluster.plan(), SuspendCronJob)
    manifest = cron_job_manifest(cluster.next_version(), generation=2)
    manifest["metadata"]["annotations"] = {"downloads.dev/spec-hash": "stopped"}
    cluster.cache.note_cron_job(KEY, "stopped", parse_cron_job(manifest))
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["message"].endswith("CronJob report is suspended")

    cluster.edit_spec(schedule="0 2 * * *", suspend=False)
    assert kinds(cluster.settle()) == [ReplaceCronJob, WriteStatus]


OUT_OF_THE_FOLDER = {"volume": {"claimName": "data", "path": "latest.csv"}}


@pytest.mark.parametrize(
    ("other_errors", "settings", "reason"),
    [
        ({}, {}, "InvalidSpec"),
        ({"format": "pdf"}, {}, "InvalidSpec"),
        ({"schedule": "0 0 31 2 *"}, {}, "InvalidSpec"),
        ({"url": "ftp://example.com/x"}, {}, "InvalidSpec"),
        (
            {"destination": {"volume": {**OUT_OF_THE_FOLDER["volume"], "claimName": "/"}}},
            {},
            "InvalidSpec",
        ),
        ({}, {"release_namespace": KEY[0]}, "NamespaceRefused"),
    ],
)
def test_cron_job_of_a_forbidden_spec_is_suspended_whatever_else_is_wrong(
    other_errors: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    cluster = FakeCluster()
    cluster.settle()
    cluster.settings = SETTINGS.model_copy(update=settings)

    cluster.edit_spec(**{"destination": OUT_OF_THE_FOLDER, **other_errors})
    assert isinstance(cluster.plan(), SuspendCronJob)
    manifest = cron_job_manifest(cluster.next_version(), generation=2)
    manifest["metadata"]["annotations"] = {"downloads.dev/spec-hash": "stopped"}
    cluster.cache.note_cron_job(KEY, "stopped", parse_cron_job(manifest))
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["reason"] == reason
    assert "write {namespace}/{name}/latest.csv" in cluster.ready["message"]
    assert cluster.ready["message"].endswith("CronJob report is suspended")


def test_schedule_beside_the_operator_gets_no_cron_job_until_its_namespace_is_allowed() -> None:
    cluster = FakeCluster()
    own = {"release_namespace": KEY[0]}
    cluster.settings = SETTINGS.model_copy(update=own)

    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["reason"] == "NamespaceRefused"
    assert "add it to operator.systemNamespaces" in cluster.ready["message"]
    assert cluster.plan() == Wait(None)

    cluster.settings = SETTINGS.model_copy(update={**own, "system_namespaces": (KEY[0],)})
    cluster.desired = None  # a change of the settings is a restart
    assert kinds(cluster.settle()) == [CreateCronJob, WriteStatus]


def test_run_is_not_started_in_a_namespace_that_is_no_longer_served() -> None:
    cluster = FakeCluster()
    cluster.settle()
    cluster.settings = SETTINGS.model_copy(update={"release_namespace": KEY[0]})
    cluster.request_run("now")
    cluster.desired = None

    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["message"].endswith("CronJob report still runs the previous spec")


def test_cron_job_of_another_owner_is_left_alone_until_it_is_gone() -> None:
    cluster = FakeCluster()
    foreign = cron_job_manifest()
    foreign["metadata"]["ownerReferences"] = [
        {"kind": "Backup", "name": "x", "uid": "other", "controller": True}
    ]

    cluster.cache.put_cron_job(parse_cron_job(foreign))
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["reason"] == "NameTaken"
    assert "belongs to Backup x" in cluster.ready["message"]

    cluster.cache.remove_cron_job(parse_cron_job(foreign))
    assert kinds(cluster.settle()) == [CreateCronJob, WriteStatus]


@pytest.mark.parametrize("owners", [[], [{"kind": "X", "name": "x", "uid": "x"}]])
def test_owner_reference_that_was_removed_is_restored(owners: list[Any]) -> None:
    cluster = FakeCluster()
    cluster.settle()
    manifest = cron_job_manifest(cluster.next_version())
    manifest["metadata"]["ownerReferences"] = owners

    cluster.cache.put_cron_job(parse_cron_job(manifest))
    cluster.now += REPAIR_PAUSE

    assert kinds(cluster.settle()) == [ReplaceCronJob]


def test_cron_job_held_by_a_finalizer_is_reported_and_created_again() -> None:
    cluster = FakeCluster()
    cluster.settle()
    manifest = cron_job_manifest(cluster.next_version(), generation=2)
    manifest["metadata"]["deletionTimestamp"] = "2026-11-23T01:00:00Z"

    cluster.cache.put_cron_job(parse_cron_job(manifest))
    cluster.request_run("a")
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["reason"] == "CronJobDeleting"

    cluster.cache.remove_cron_job(parse_cron_job(manifest))
    cluster.now += REPAIR_PAUSE
    assert kinds(cluster.settle()) == [CreateCronJob, StartRun, WriteStatus]
    assert cluster.ready["status"] == "True"


def test_refused_cron_job_is_tried_again_after_a_pause() -> None:
    cluster = FakeCluster()
    action = cluster.plan()
    refusal = Refusal(action.desired.spec_hash, "CronJobRefused", "quota", START)

    cluster.cache.note_refusal(KEY, refusal)
    assert kinds(cluster.settle()) == [WriteStatus]
    assert cluster.ready["message"] == "quota"
    assert cluster.plan() == Wait(START + REFUSAL_PAUSE)

    cluster.now += REFUSAL_PAUSE
    assert kinds(cluster.settle()) == [CreateCronJob, WriteStatus]


def test_refused_cron_job_is_tried_again_when_the_clock_was_set_back() -> None:
    cluster = FakeCluster()
    refusal = Refusal(cluster.plan().desired.spec_hash, "CronJobRefused", "quota", START)
    cluster.cache.note_refusal(KEY, refusal)
    cluster.settle()

    cluster.now -= timedelta(hours=1)

    assert kinds(cluster.settle())[0] is CreateCronJob


def test_schedule_that_is_being_deleted_is_left_alone() -> None:
    cluster = FakeCluster()
    cluster.manifest["metadata"]["deletionTimestamp"] = "2026-11-23T01:00:00Z"
    cluster.manifest["metadata"]["resourceVersion"] = "500"
    cluster.restart_operator()

    assert cluster.plan() == Wait(None)


def test_many_runs_whose_pods_are_gone_take_two_actions() -> None:
    cluster = FakeCluster(historyLimit=100)
    cluster.settle()

    for number in range(1, 60):
        cluster.job_event(number=number, ended="Complete")

    assert kinds(cluster.settle()) == [ReadPods, WriteStatus]
    assert cluster.counts["completed"] == 59


def test_objects_of_another_namespace_with_our_label_are_ignored() -> None:
    """Anybody who may create a Job can write its labels, and UIDs are not secret."""
    cluster = FakeCluster()
    cluster.settle()
    forged = job_manifest(number=1, version=cluster.next_version(), ended="Failed", tick=None)
    forged["metadata"]["namespace"] = "others"

    cluster.cache.put_job(parse_job(forged))
    cluster.request_run("one")
    cluster.settle()  # an active run of ours would have to end first

    assert [run["token"] for run in cluster.status["history"]] == ["one"]
    assert cluster.counts["failed"] == 0
    cluster.cache.remove_job(parse_job(forged))
    assert cluster.settle() == []


def test_pod_of_another_namespace_is_not_an_attempt() -> None:
    cluster = FakeCluster()
    cluster.settle()
    cluster.job_event(ended="Complete")
    forged = pod_manifest(version=cluster.next_version(), exit_code=0, message=RESULT)
    forged["metadata"]["namespace"] = "others"

    cluster.cache.put_pod(parse_pod(forged))
    cluster.settle()

    assert "sha256" not in cluster.newest_run
