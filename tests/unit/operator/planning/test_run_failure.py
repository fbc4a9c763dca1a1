"""Which failure the history shows for a run."""

from typing import Any

import pytest

from download_operator.cache.objects import parse_job, parse_pod
from download_operator.planning.run_failure import find_failure, read_attempts
from tests.support.cluster_objects import job_manifest, pod_manifest
from tests.support.fake_cluster import RESULT

NO_IMAGE = {"reason": "ErrImagePull", "message": "no such image"}
STALLED: dict[str, Any] = {
    "exit_code": 20,
    "message": '{"reason": "Stalled", "message": "Silence."}',
}
STOPPED: dict[str, Any] = {
    "exit_code": 143,
    "message": '{"reason": "Stopped", "message": "Ended."}',
}
EVICTION = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory.",
}


def failure(
    job: dict[str, Any], pods: list[dict[str, Any]], stored: dict[str, str] | None = None
) -> str | None:
    attempts = read_attempts(map(parse_pod, pods))
    shown = find_failure(parse_job(job), attempts, stored or {})
    return str(shown) if shown else None


def job_out_of_time() -> dict[str, Any]:
    manifest = job_manifest(ended="Failed")
    deadline = {"reason": "DeadlineExceeded", "message": "It took too long"}
    manifest["status"]["conditions"][0].update(deadline)
    return manifest


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        (
            [{"waiting": NO_IMAGE}],
            "It took too long. The last attempt: ErrImagePull: no such image",
        ),
        ([STALLED, STOPPED], "It took too long. The last attempt: Stalled: Silence."),
        ([{"exit_code": 143}], "It took too long"),
        ([], "It took too long"),
    ],
    ids=["cannot start", "failed before", "stopped", "no attempt"],
)
def test_run_out_of_time_shows_how_its_last_attempt_fared(
    pods: list[dict[str, Any]], expected: str
) -> None:
    manifests = [pod_manifest(number=number, **pod) for number, pod in enumerate(pods, start=1)]

    assert failure(job_out_of_time(), manifests) == f"DeadlineExceeded: {expected}"


def test_run_out_of_time_shows_what_the_stored_entry_says_if_its_pod_says_nothing() -> None:
    """The kubelet forgets why a container waited when it deletes the Pod."""
    pod = pod_manifest(exit_code=137, reason="ContainerStatusUnknown")

    expected = "DeadlineExceeded: It took too long. The last attempt: ErrImagePull: no such image"
    assert failure(job_out_of_time(), [pod], NO_IMAGE) == expected


def test_message_without_a_reason_is_not_taken_for_a_failure() -> None:
    stored = {"message": "If the file is not there yet, the run looks again."}
    pod = pod_manifest(exit_code=137, reason="ContainerStatusUnknown")

    assert failure(job_out_of_time(), [pod], stored) == "DeadlineExceeded: It took too long"


@pytest.mark.parametrize(
    "pod",
    [
        pod_manifest(exit_code=137),
        pod_manifest(exit_code=137, message='{"bytes": 3}'),
        pod_manifest(started=False),
    ],
    ids=["killed", "killed after a result", "never started"],
)
def test_eviction_is_shown(pod: dict[str, Any]) -> None:
    pod["status"] |= EVICTION

    expected = f"{EVICTION['reason']}: {EVICTION['message']}"
    assert failure(job_manifest(ended="Failed"), [pod]) == expected


def test_failure_that_the_worker_reported_is_preferred_to_an_eviction() -> None:
    pod = pod_manifest(exit_code=143, message='{"reason": "Stopped", "message": "told to stop"}')
    pod["status"] |= EVICTION

    assert failure(job_manifest(), [pod]) == "Stopped: told to stop"


@pytest.mark.parametrize("message", ["", "not JSON", "[]", '{"bytes": 3}'])
def test_exit_code_is_shown_if_nothing_else_is_known(message: str) -> None:
    pod = pod_manifest(exit_code=137, reason="OOMKilled", message=message)

    expected = "OOMKilled: The container ended with exit code 137."
    assert failure(job_manifest(), [pod]) == expected


def test_completed_run_shows_the_failure_of_an_earlier_attempt() -> None:
    pods = [pod_manifest(**STALLED), pod_manifest(number=2, exit_code=0, message=RESULT)]

    assert failure(job_manifest(ended="Complete"), pods) == "Stalled: Silence."


def test_completed_run_without_a_failed_attempt_shows_no_failure() -> None:
    pods = [pod_manifest(exit_code=0, message=RESULT), pod_manifest(number=2, waiting=NO_IMAGE)]

    assert failure(job_manifest(ended="Complete"), pods) is None


def test_failed_job_without_a_failed_attempt_shows_its_own_reason() -> None:
    assert failure(job_manifest(ended="Failed"), []) == "BackoffLimitExceeded"


def test_active_run_shows_why_its_last_attempt_waits() -> None:
    pods = [
        pod_manifest(waiting={"reason": "ErrImagePull", "message": "once"}),
        pod_manifest(number=2, waiting=NO_IMAGE),
        pod_manifest(number=3, waiting={"reason": "ContainerCreating", "message": ""}),
    ]

    assert failure(job_manifest(), pods) == "ErrImagePull: no such image"
