"""Play the kubelet on a cluster without a node: decide how the Pods of a run fare."""

import json
from typing import Any

from tests.support.pod_status import pod_status
from tools.cluster.kubectl import Kubectl, wait_for

RESULT = {"bytes": 11, "sha256": "ab" * 32, "httpStatus": 200, "location": "volume://data/x"}


def start_run(kubectl: Kubectl, schedule: str, job: str) -> str:
    """Create a Job from the schedule's CronJob; return its UID."""
    kubectl("create", "job", job, f"--from=cronjob/{schedule}")
    uid: str = kubectl.get("job", job)["metadata"]["uid"]
    return uid


def active_pod(kubectl: Kubectl, job: str) -> str:
    """Wait for a Pod of the Job that has not ended; return its name."""

    def active() -> list[str]:
        pods = kubectl.list("pods", f"--selector=batch.kubernetes.io/job-name={job}")
        return [
            pod["metadata"]["name"]
            for pod in pods
            if pod["status"]["phase"] not in ("Succeeded", "Failed")
        ]

    return wait_for(f"a Pod of {job}", active)[0]


def run_pod(kubectl: Kubectl, job: str) -> None:
    """Have the active Pod of the Job run."""
    _report(kubectl, job, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})


def end_pod(kubectl: Kubectl, job: str, exit_code: int = 0, message: Any = RESULT) -> None:
    """Have the active Pod of the Job end with an exit code and a termination message."""
    ended = {
        "exitCode": exit_code,
        "reason": "Completed" if exit_code == 0 else "Error",
        "message": message if isinstance(message, str) else json.dumps(message),
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:01Z",
    }
    phase = "Succeeded" if exit_code == 0 else "Failed"
    _report(kubectl, job, phase, {"terminated": ended})


def history(kubectl: Kubectl, schedule: str) -> list[dict[str, Any]]:
    """Return the schedule's recorded runs, newest first."""
    runs: list[dict[str, Any]] = kubectl.get("dls", schedule).get("status", {}).get("history", [])
    return runs


def wait_until_recorded(kubectl: Kubectl, schedule: str, job: str, *states: str) -> dict[str, Any]:
    """Wait until the run is in the history in one of these states; return its entry."""

    def entry() -> dict[str, Any] | None:
        runs = [run for run in history(kubectl, schedule) if run["job"] == job]
        return runs[0] if runs and runs[0]["state"] in states else None

    return wait_for(f"{job} {' or '.join(states)}", entry)


def _report(kubectl: Kubectl, job: str, phase: str, state: dict[str, Any]) -> None:
    patch = {"status": pod_status(phase, state)}
    kubectl.patch("pod", active_pod(kubectl, job), patch, "--subresource=status")
