"""What anybody may have written into a Job or a Pod, and what the status makes of it."""

import json
import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.cache.objects import job_of, pod_of
from download_operator.planning.history_entry import result_is_missing, run_of
from download_schedule.attempt.result import Result
from download_schedule.model import Run
from tests.unit.operator.objects import job_manifest, pod_manifest

TICK = "batch.kubernetes.io/cronjob-scheduled-timestamp"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

members = st.sampled_from([*(field.name for field in fields(Result)), "state", "id", "attempts"])
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=1500)
    | st.sampled_from(["f" * 64, "F" * 64, "\ud800", "\x1b[31m", 200, 2**63 - 1, 2**63])
    | st.lists(st.none(), max_size=1)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=1)
)
documents = (
    st.text(max_size=5000)
    | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1"))
    | st.dictionaries(members, values, max_size=8).map(json.dumps)
)
reasons = st.text(max_size=2000)


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
def test_a_tick_is_told_in_one_form(text: str, time: str | None) -> None:
    manifest = job_manifest()
    manifest["metadata"]["annotations"] = {TICK: text}
    assert job_of(manifest).scheduled_time == time


@given(
    documents,
    st.sampled_from([0, 1, 10, 20, 137]),
    reasons,
    reasons,
    st.sampled_from([None, "Complete", "Failed"]),
    st.datetimes().map(str) | st.text(max_size=30),
)
def test_whatever_they_say_the_entry_is_one_that_a_status_may_have(
    document: str, code: int, reason: str, message: str, ended: str | None, tick: str
) -> None:
    job = job_manifest(ended=ended)
    job["metadata"]["annotations"] = {TICK: tick, "downloads.dev/run-token": reason}
    for condition in job["status"].get("conditions", ()):
        condition |= {"reason": reason, "message": message}
    pod = pod_manifest(exit_code=code, message=document)
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    state["terminated"]["reason"] = reason
    entry = run_of(job_of(job), [pod_of(pod), pod_of(pod_manifest(number=2, started=False))])
    Run.model_validate_json(json.dumps(entry), strict=True)
    assert all(RFC_3339.fullmatch(entry[name]) for name in entry if name.endswith("Time"))


def test_a_job_by_hand_may_have_a_longer_name_than_the_status() -> None:
    manifest = job_manifest()
    manifest["metadata"]["name"] = "j" * 100
    assert run_of(job_of(manifest), [])["job"] == "j" * 63


FATE = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory.",
}


@pytest.mark.parametrize(
    "pod",
    [
        pod_manifest(exit_code=137),
        pod_manifest(exit_code=137, message='{"bytes": 3}'),
        pod_manifest(started=False),
    ],
    ids=["killed", "killed after a word", "never begun"],
)
def test_what_the_node_did_to_a_pod_is_told(pod: dict[str, Any]) -> None:
    pod["status"] |= FATE
    job = job_of(job_manifest(ended="Failed"))
    entry = run_of(job, [pod_of(pod)])
    assert (entry["reason"], entry["message"]) == (FATE["reason"], FATE["message"])
    assert not result_is_missing(job, [pod_of(pod)])


def test_what_the_worker_said_is_told_before_what_the_node_did() -> None:
    pod = pod_manifest(exit_code=143, message='{"reason": "Stopped", "message": "told to stop"}')
    pod["status"] |= FATE
    assert run_of(job_of(job_manifest()), [pod_of(pod)])["reason"] == "Stopped"
