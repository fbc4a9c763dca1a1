"""A history entry, whatever anybody wrote into the Job or the Pod."""

import json
import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_operator.cache.objects import parse_job, parse_pod
from download_operator.planning.history_entry import build_entry, is_result_missing
from download_schedule.attempt.result import Result
from download_schedule.model import Run
from tests.support.cluster_objects import job_manifest, pod_manifest

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
termination_messages = (
    st.text(max_size=5000)
    | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1"))
    | st.dictionaries(members, values, max_size=8).map(json.dumps)
)
reasons = st.text(max_size=2000)


@given(
    termination_messages,
    st.sampled_from([0, 1, 10, 20, 137]),
    reasons,
    reasons,
    st.sampled_from([None, "Complete", "Failed"]),
    st.datetimes().map(str) | st.text(max_size=30),
)
def test_entry_is_valid_whatever_the_job_and_the_pod_say(
    termination_message: str, code: int, reason: str, message: str, ended: str | None, tick: str
) -> None:
    job = job_manifest(ended=ended)
    job["metadata"]["annotations"] = {TICK: tick, "downloads.dev/run-token": reason}
    for condition in job["status"].get("conditions", ()):
        condition |= {"reason": reason, "message": message}
    pod = pod_manifest(exit_code=code, message=termination_message)
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    state["terminated"]["reason"] = reason

    pods = [parse_pod(pod), parse_pod(pod_manifest(number=2, started=False))]
    entry = build_entry(parse_job(job), pods)

    Run.model_validate_json(json.dumps(entry), strict=True)
    assert all(RFC_3339.fullmatch(entry[name]) for name in entry if name.endswith("Time"))


def test_job_name_is_cut_to_the_length_that_the_status_allows() -> None:
    manifest = job_manifest()
    manifest["metadata"]["name"] = "j" * 100

    assert build_entry(parse_job(manifest), [])["job"] == "j" * 63


def test_failed_job_without_a_time_ended_when_it_was_created() -> None:
    """Somebody may have written the condition by hand."""
    manifest = job_manifest(ended="Failed")
    manifest["status"]["conditions"][0]["lastTransitionTime"] = None

    assert build_entry(parse_job(manifest), [])["completionTime"] == "2026-11-23T02:00:01Z"


@pytest.mark.parametrize(
    ("ended", "codes", "expected"),
    [
        (None, [0], False),
        ("Complete", [0], False),
        ("Complete", [None], True),
        ("Complete", [20], True),
        ("Failed", [10], False),
        ("Failed", [10, None], True),
    ],
)
def test_result_is_missing_until_the_pod_that_ended_the_job_is_seen_to_end(
    ended: str | None, codes: list[int | None], expected: bool
) -> None:
    pods = [pod_manifest(number=number, exit_code=code) for number, code in enumerate(codes)]

    assert is_result_missing(parse_job(job_manifest(ended=ended)), [*map(parse_pod, pods)]) is (
        expected
    )


def test_result_of_an_evicted_pod_is_not_missing() -> None:
    pod = pod_manifest(started=False)
    pod["status"] |= {"phase": "Failed", "reason": "Evicted"}

    assert not is_result_missing(parse_job(job_manifest(ended="Failed")), [parse_pod(pod)])


SKIPPED = {"reason": "Excluded", "message": "2026-12-25 is in exclude.dates."}


def test_run_whose_last_attempt_was_skipped_says_why() -> None:
    job = parse_job(job_manifest(ended="Complete"))
    pods = [
        parse_pod(pod_manifest(number=1, exit_code=20, message='{"reason":"ConnectionLost"}')),
        parse_pod(pod_manifest(number=2, exit_code=0, message=json.dumps(SKIPPED))),
    ]
    entry = build_entry(job, pods)
    assert entry["state"] == "Skipped"
    assert {name: entry[name] for name in SKIPPED} == SKIPPED
    assert Run.model_validate(entry).state.is_terminal


@pytest.mark.parametrize(("ended", "code"), [("Failed", 0), ("Failed", 10), (None, 0)])
def test_run_that_did_not_complete_is_not_skipped_whatever_its_pod_says(
    ended: str | None, code: int
) -> None:
    job = parse_job(job_manifest(ended=ended))
    entry = build_entry(job, [parse_pod(pod_manifest(exit_code=code, message=json.dumps(SKIPPED)))])
    assert entry["state"] == ("Failed" if ended else "Running")
