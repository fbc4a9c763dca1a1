"""What is read from a manifest, whatever anybody wrote into it."""

from typing import Any

import pytest

from download_operator.cache.objects import Explanation, parse_cron_job, parse_job, parse_pod
from tests.support.cluster_objects import (
    cron_job_manifest,
    job_manifest,
    pod_manifest,
    schedule_object,
)

TICK = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
        ("2026-11-23T02:00:00+01:00", "2026-11-23T01:00:00Z"),
        ("2026-11-23T02:00:00.25Z", "2026-11-23T02:00:00Z"),
        ("20261123T020000Z", "2026-11-23T02:00:00Z"),
        ("2026-W48-1T02:00:00Z", "2026-11-23T02:00:00Z"),
        ("2026-11-23T02:00:00", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_tick_is_read_into_one_form(text: str, time: str | None) -> None:
    manifest = job_manifest()
    manifest["metadata"]["annotations"] = {TICK: text}

    assert parse_job(manifest).scheduled_time == time


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, True),
        ({"ownerReferences": []}, True),
        ({"ownerReferences": [], "labels": {}}, False),
        ({"labels": {}}, True),
        (
            {"ownerReferences": [{"kind": "X", "name": "x", "uid": "x", "controller": True}]},
            False,
        ),
    ],
    ids=["ours", "no owner", "no owner, no label", "no label", "another owner"],
)
def test_cron_job_belongs_to_its_controller_or_else_to_its_label(
    metadata: dict[str, Any], expected: bool
) -> None:
    manifest = cron_job_manifest()
    manifest["metadata"] |= metadata

    assert parse_cron_job(manifest).belongs_to(schedule_object()) is expected


def test_cron_job_without_a_controller_belongs_to_nobody() -> None:
    manifest = cron_job_manifest()
    manifest["metadata"]["ownerReferences"] = [{"kind": "X", "name": "x", "uid": "x"}]

    assert parse_cron_job(manifest).owner_name == "nobody"


def test_pod_waits_for_the_reason_of_its_container() -> None:
    waiting = {"reason": "ErrImagePull", "message": "no such image"}

    pod = parse_pod(pod_manifest(waiting=waiting))

    assert pod.waiting == Explanation("ErrImagePull", "no such image")
    assert not pod.has_started
    assert pod.termination_message == ""


def test_pod_without_a_container_waits_for_the_reason_of_the_scheduler() -> None:
    manifest = pod_manifest(started=False)
    manifest["status"]["conditions"] = [
        {"type": "Ready", "status": "False"},
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"},
    ]

    assert parse_pod(manifest).waiting == Explanation("Unschedulable", "full")


def test_pod_whose_container_has_started_waits_for_nothing() -> None:
    manifest = pod_manifest(exit_code=137, reason="OOMKilled", message="{}")
    manifest["status"]["conditions"] = [{"type": "PodScheduled", "status": "False"}]

    pod = parse_pod(manifest)

    assert (pod.waiting, pod.has_started) == (None, True)
    assert (pod.exit_code, pod.exit_reason, pod.termination_message) == (137, "OOMKilled", "{}")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Failed", "reason": "Evicted"}, Explanation("Evicted", "")),
        ({"phase": "Failed"}, None),
        ({"phase": "Running", "reason": "Evicted"}, None),
    ],
)
def test_pod_failed_as_a_whole_only_if_kubernetes_says_why(
    status: dict[str, str], expected: Explanation | None
) -> None:
    manifest = pod_manifest()
    manifest["status"] |= status

    assert parse_pod(manifest).pod_failure == expected


def test_other_containers_say_nothing_about_an_attempt() -> None:
    manifest = pod_manifest(exit_code=0)
    manifest["status"]["containerStatuses"][0]["name"] = "sidecar"

    assert parse_pod(manifest).exit_code is None
