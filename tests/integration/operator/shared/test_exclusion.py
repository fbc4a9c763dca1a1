"""Days that are left out: operator, API server and worker together."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.attempts import RUN_PROGRAM
from tests.support.fake_kubelet import active_pod, end_pod, wait_until_recorded
from tests.support.operator_process import Operator
from tests.support.schedules import condition, schedule
from tools.cluster.kubectl import Kubectl, wait_for

TODAY = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
TOMORROW = TODAY + timedelta(days=1)
CALENDAR = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "holidays"}}


def start_tick(kubectl: Kubectl, tick: datetime) -> str:
    """Create the Job that the CronJob controller creates for a tick; return its name."""
    job = f"report-{int(tick.timestamp()) // 60}"
    template = kubectl.get("cronjob", "report")["spec"]["jobTemplate"]
    owner = kubectl.get("cronjob", "report")["metadata"]["uid"]
    reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": owner}
    annotations = {"batch.kubernetes.io/cronjob-scheduled-timestamp": tick.isoformat()}
    metadata = {
        **template["metadata"],
        "name": job,
        "annotations": annotations,
        "ownerReferences": [{**reference, "controller": True}],
    }
    kubectl.apply({**template, "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})
    return job


def environment(kubectl: Kubectl, pod: dict[str, Any]) -> dict[str, str]:
    """Return the variables that the kubelet gives the container of a Pod."""
    variables = {}
    config_maps = {item["metadata"]["name"]: item for item in kubectl.list("configmaps")}
    for entry in pod["spec"]["containers"][0]["env"]:
        match entry:
            case {"value": value}:
                variables[entry["name"]] = value.replace("$$", "$")
            case {"valueFrom": {"fieldRef": {"fieldPath": path}}}:
                label = path.removeprefix("metadata.labels['").removesuffix("']")
                variables[entry["name"]] = pod["metadata"]["labels"][label]
            case {"valueFrom": {"configMapKeyRef": {"name": name, "key": key, "optional": True}}}:
                if key in config_maps.get(name, {}).get("data", {}):
                    variables[entry["name"]] = config_maps[name]["data"][key]
    return variables


def make_attempt(kubectl: Kubectl, job: str, folder: Path) -> dict[str, Any]:
    """Run the worker in the environment of the Job's Pod, and report as the kubelet would."""
    pod = kubectl.get("pod", active_pod(kubectl, job))
    log = folder / f"{job}.log"
    command = [sys.executable, "-c", RUN_PROGRAM, str(folder), str(log)]
    variables = os.environ | environment(kubectl, pod)
    code = subprocess.run(command, env=variables, check=False, timeout=60).returncode
    end_pod(kubectl, job, code, log.read_text())
    return wait_until_recorded(kubectl, "report", job, "Skipped", "Failed", "Completed")


@pytest.mark.usefixtures("operator")
def test_run_of_a_day_in_the_calendar_is_skipped_and_says_why(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl.apply(
        {**CALENDAR, "data": {"dates": f"# ours\n{TODAY:%Y-%m-%d}\n"}},
        schedule("report", schedule="0 2 * * *", exclude={"calendarRef": {"name": "holidays"}}),
    )
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")

    run = make_attempt(kubectl, start_tick(kubectl, TODAY), tmp_path)

    assert (run["state"], run["trigger"], run["reason"]) == ("Skipped", "Schedule", "Excluded")
    assert run["message"] == (
        f"{TODAY:%Y-%m-%d} is in the ConfigMap holidays, which exclude.calendarRef names."
    )
    status = kubectl.get("dls", "report")["status"]
    assert status["counts"] == {"completed": 0, "failed": 0, "missed": 0, "skipped": 1}
    assert condition({"status": status}, "Healthy") == {}


@pytest.mark.usefixtures("operator")
def test_run_fails_while_its_calendar_does_not_exist(kubectl: Kubectl, tmp_path: Path) -> None:
    exclude = {"calendarRef": {"name": "holidays"}}
    kubectl.apply(schedule("report", schedule="0 2 * * *", exclude=exclude))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")

    run = make_attempt(kubectl, start_tick(kubectl, TODAY), tmp_path)

    assert (run["state"], run["reason"]) == ("Failed", "InvalidCalendar")
    assert "create it, or correct exclude.calendarRef" in run["message"]


def test_next_run_passes_over_days_and_a_requested_run_leaves_out_none(
    kubectl: Kubectl, operator: Operator
) -> None:
    dates = [f"{TODAY - timedelta(days=1):%Y-%m-%d}/{TOMORROW:%Y-%m-%d}"]
    kubectl.apply(schedule("report", schedule="0 2 * * *", exclude={"dates": dates}))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")

    status = kubectl.get("dls", "report")["status"]
    assert status["nextRunTime"] == f"{TOMORROW + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"

    kubectl("annotate", "dls/report", "downloads.dev/run-requested=once")
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    assert "exclude" not in str(job["spec"]["template"]["spec"])
    assert not operator.has_logged("Traceback")
