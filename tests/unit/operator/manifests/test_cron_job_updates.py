"""Changes to an existing CronJob keep what others added."""

from typing import Any

import pytest

from download_operator.manifests.cron_job_updates import (
    as_suspended,
    changes_firing_times,
    merge_into_current,
    with_last_schedule_time,
)
from tests.support.cluster_objects import cron_job_manifest, desired_state
from tests.support.fake_cluster import START


@pytest.fixture
def current() -> dict[str, Any]:
    """A CronJob of ours with a label, an annotation and a status of others."""
    manifest = cron_job_manifest()
    manifest["metadata"]["labels"] = {**manifest["metadata"]["labels"], "team": "data"}
    manifest["metadata"]["annotations"] = {"theirs": "yes", "downloads.dev/spec-hash": "old"}
    return {**manifest, "status": {"lastScheduleTime": "2026-11-22T02:00:00Z", "active": []}}


def test_merge_keeps_their_metadata_and_sets_ours(current: dict[str, Any]) -> None:
    desired = desired_state(schedule="5 4 * * *")

    merged = merge_into_current(current, desired.manifest)

    assert merged["metadata"]["labels"]["team"] == "data"
    assert merged["metadata"]["annotations"] == {
        "theirs": "yes",
        "downloads.dev/spec-hash": desired.spec_hash,
    }
    assert merged["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
    assert merged["spec"] == desired.manifest["spec"]


def test_merge_removes_other_owners(current: dict[str, Any]) -> None:
    current["metadata"]["ownerReferences"] = [{"kind": "X", "name": "x", "uid": "x"}]

    merged = merge_into_current(current, desired_state().manifest)

    (owner,) = merged["metadata"]["ownerReferences"]
    assert owner["kind"] == "DownloadSchedule"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"backoffLimit": 1}, False),
        ({"schedule": "5 4 * * *"}, True),
        ({"timeZone": "Europe/Berlin"}, True),
        ({"suspend": True}, True),
    ],
)
def test_firing_times_change_with_expression_zone_and_suspension(
    current: dict[str, Any], spec: dict[str, Any], expected: bool
) -> None:
    desired = desired_state(**spec).manifest

    assert changes_firing_times(current["spec"], desired["spec"]) is expected


def test_last_schedule_time_is_set_and_the_rest_of_the_status_stays(
    current: dict[str, Any],
) -> None:
    status = with_last_schedule_time(current, START)["status"]

    assert status == {"lastScheduleTime": "2026-11-23T01:00:00Z", "active": []}


def test_suspended_cron_job_is_marked_as_stopped(current: dict[str, Any]) -> None:
    suspended = as_suspended(current)

    assert suspended["spec"] == {**current["spec"], "suspend": True}
    assert suspended["metadata"]["annotations"] == {
        "theirs": "yes",
        "downloads.dev/spec-hash": "stopped",
    }
