"""Play the kubelet on a cluster without one: say how a run's Pods fare."""

import json
from typing import Any

from tests.support.kubectl import Kubectl, wait_for

DOCUMENT = {"bytes": 11, "sha256": "ab" * 32, "httpStatus": 200, "location": "volume://data/x"}


def start_run(kubectl: Kubectl, schedule: str, job: str) -> str:
    """Make a Job from the schedule's CronJob; return its UID."""
    kubectl("create", "job", job, f"--from=cronjob/{schedule}")
    uid: str = kubectl.get("job", job)["metadata"]["uid"]
    return uid


def pod_of(kubectl: Kubectl, job: str) -> str:
    """The name of the run's Pod that has not ended."""

    def unfinished() -> list[str]:
        pods = kubectl.list("pods", f"--selector=batch.kubernetes.io/job-name={job}")
        return [
            pod["metadata"]["name"]
            for pod in pods
            if pod["status"]["phase"] not in ("Succeeded", "Failed")
        ]

    return wait_for(f"a Pod of {job}", unfinished)[0]


def run_pod(kubectl: Kubectl, job: str) -> None:
    """Have the run's Pod running."""
    _container(kubectl, job, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})


def end_pod(kubectl: Kubectl, job: str, exit_code: int = 0, message: Any = DOCUMENT) -> None:
    """Have the run's Pod end with an exit code and a termination message."""
    ended = {
        "exitCode": exit_code,
        "reason": "Completed" if exit_code == 0 else "Error",
        "message": message if isinstance(message, str) else json.dumps(message),
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:01Z",
    }
    phase = "Succeeded" if exit_code == 0 else "Failed"
    _container(kubectl, job, phase, {"terminated": ended})


def _container(kubectl: Kubectl, job: str, phase: str, state: dict[str, Any]) -> None:
    container = {
        "name": "download",
        "image": "example.com/worker:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    status = {"phase": phase, "containerStatuses": [container]}
    kubectl.patch("pod", pod_of(kubectl, job), {"status": status}, "--subresource=status")


def history(kubectl: Kubectl, schedule: str) -> list[dict[str, Any]]:
    """The schedule's recorded runs, newest first."""
    found: list[dict[str, Any]] = kubectl.get("dls", schedule).get("status", {}).get("history", [])
    return found


def recorded(kubectl: Kubectl, schedule: str, job: str, *states: str) -> dict[str, Any]:
    """Wait until the run is in the history in one of the states; return its entry."""

    def entry() -> dict[str, Any] | None:
        runs = [run for run in history(kubectl, schedule) if run["job"] == job]
        return runs[0] if runs and runs[0]["state"] in states else None

    return wait_for(f"{job} {' or '.join(states)}", entry)
