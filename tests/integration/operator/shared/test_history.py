"""Every run is recorded once, whatever happens on the way."""

import signal
import time

import pytest

from tests.support.fake_kubelet import (
    RESULT,
    active_pod,
    end_pod,
    history,
    run_pod,
    start_run,
    wait_until_recorded,
)
from tests.support.operator_process import Operator, StartOperator
from tests.support.schedules import condition, schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for


@pytest.fixture
def report(kubectl: Kubectl, operator: Operator) -> str:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")
    return "report"


def test_completed_run_is_recorded(kubectl: Kubectl, report: str) -> None:
    uid = start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    running = wait_until_recorded(kubectl, report, "now", "Running")
    assert "completionTime" not in running
    assert kubectl.get("dls", report)["status"]["active"] == 1
    end_pod(kubectl, "now")
    run = wait_until_recorded(kubectl, report, "now", "Completed")
    status = kubectl.get("dls", report)["status"]
    assert run | RESULT == run
    assert (run["id"], run["trigger"], run["attempts"]) == (uid, "Manual", 1)
    assert "active" not in status
    assert status["counts"] == {"completed": 1, "failed": 0, "missed": 0}
    assert status["lastSuccessTime"] == run["completionTime"]
    assert condition({"status": status}, "Healthy")["status"] == "True"


def test_run_that_fails_permanently_is_recorded_with_its_reason(
    kubectl: Kubectl, report: str
) -> None:
    start_run(kubectl, report, "now")
    result = {"reason": "HTTPStatus", "message": "404 Not Found", "httpStatus": 404}
    end_pod(kubectl, "now", exit_code=10, message=result)
    run = wait_until_recorded(kubectl, report, "now", "Failed")
    assert run | result == run
    assert run["attempts"] == 1
    status = kubectl.get("dls", report)["status"]
    assert status["consecutiveFailures"] == 1
    assert "404 Not Found" in condition({"status": status}, "Healthy")["message"]


def test_run_that_completes_at_the_second_attempt_shows_the_first_failure(
    kubectl: Kubectl, report: str
) -> None:
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now", exit_code=20, message={"reason": "Timeout", "message": "too slow"})
    end_pod(kubectl, "now")
    run = wait_until_recorded(kubectl, report, "now", "Completed")
    assert run["attempts"] == 2
    assert run["reason"] == "Timeout"
    assert run["sha256"] == RESULT["sha256"]


@pytest.mark.parametrize(
    "message", ["", "not JSON", "[]", '{"bytes": -1}', '{"state": "Completed"}', "{" * 3000]
)
def test_invalid_termination_message_is_ignored(
    kubectl: Kubectl, report: str, message: str
) -> None:
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now", message=message)
    run = wait_until_recorded(kubectl, report, "now", "Completed")
    assert "sha256" not in run


def test_hand_made_jobs_do_not_keep_runs_out_of_the_status(kubectl: Kubectl, report: str) -> None:
    cron_job = kubectl.get("cronjob", report)
    template = cron_job["spec"]["jobTemplate"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": report,
        "uid": cron_job["metadata"]["uid"],
        "controller": True,
    }
    tick = {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-W01-1T00:00:00Z"}
    labels = template["metadata"]["labels"]
    metadata = {"labels": labels, "annotations": tick, "ownerReferences": [owner]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": template["spec"]}
    other = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", other)
    kubectl.within(other).apply({**job, "metadata": {**metadata, "name": "elsewhere"}})
    kubectl.apply({**job, "metadata": {**metadata, "name": "odd"}})
    end_pod(kubectl, "odd")
    run = wait_until_recorded(kubectl, report, "odd", "Completed")
    assert run["scheduledTime"] == "2025-12-29T00:00:00Z"
    start_run(kubectl, report, "now")
    wait_until_recorded(kubectl, report, "now", "Pending")
    assert {run["job"] for run in history(kubectl, report)} == {"now", "odd"}
    kubectl("delete", "namespace", other, "--wait=false")


def test_run_that_cannot_start_shows_why(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    run = wait_until_recorded(kubectl, report, "now", "Pending")
    assert run["reason"] == "Unschedulable"
    assert "no nodes available" in run["message"]


def test_job_deleted_before_its_end_has_failed(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    wait_until_recorded(kubectl, report, "now", "Running")
    kubectl("delete", "job", "now", "--wait=false")
    assert wait_until_recorded(kubectl, report, "now", "Failed")["reason"] == "JobDeleted"


def test_run_that_ended_while_no_operator_ran_is_recorded(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    operator.kill()
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now")
    wait_for("the Job's end", lambda: kubectl.get("job", "now")["status"].get("succeeded"))
    operator.start_again()
    assert wait_until_recorded(kubectl, report, "now", "Completed")["sha256"] == RESULT["sha256"]
    operator.kill()
    operator.start_again()
    assert kubectl.get("dls", report)["status"]["counts"]["completed"] == 1


def test_runs_that_ended_and_lost_their_pods_while_no_operator_ran_are_recorded_at_once(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    """A node that is removed takes the Pods of many runs with it; their Jobs stay."""
    kubectl.patch("dls", report, {"spec": {"schedule": "*/20 * * * *", "suspend": True}})
    kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", f"dls/{report}")
    operator.kill()
    jobs = [f"now-{number}" for number in range(12)]
    for job in jobs:
        start_run(kubectl, report, job)
        end_pod(kubectl, job)
    kubectl("wait", "--for=condition=Complete", *(f"job/{job}" for job in jobs))
    kubectl("delete", "pods", "--all")
    operator.start_again()
    wait_for("the runs", lambda: len(history(kubectl, report)) == len(jobs))
    assert not operator.has_logged("not settled")


def test_run_whose_job_was_deleted_while_no_operator_ran_has_failed(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    wait_until_recorded(kubectl, report, "now", "Running")
    operator.kill()
    kubectl("delete", "job", "now", "--wait=false")
    wait_for("the Job's end", lambda: kubectl.get("job", "now") is None)
    operator.start_again()
    assert wait_until_recorded(kubectl, report, "now", "Failed")["reason"] == "JobDeleted"


def test_history_has_its_limit_and_no_run_is_counted_twice(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    kubectl.patch("dls", report, {"spec": {"historyLimit": 2}})
    for number in range(4):
        start_run(kubectl, report, f"now-{number}")
        end_pod(kubectl, f"now-{number}")
        wait_until_recorded(kubectl, report, f"now-{number}", "Completed")
        time.sleep(1.1)  # the history is sorted by start time, which has whole seconds
    operator.kill()
    operator.start_again()
    start_run(kubectl, report, "last")
    end_pod(kubectl, "last", exit_code=10, message={"reason": "NotFound"})
    wait_until_recorded(kubectl, report, "last", "Failed")
    status = kubectl.get("dls", report)["status"]
    assert [run["job"] for run in status["history"]] == ["last", "now-3"]
    assert status["counts"] == {"completed": 4, "failed": 1, "missed": 0}
    assert status["consecutiveFailures"] == 1


def test_runs_that_end_while_the_api_server_restarts_are_recorded(
    kubectl: Kubectl, report: str, cluster: LocalCluster
) -> None:
    for number in range(5):
        start_run(kubectl, report, f"now-{number}")
        active_pod(kubectl, f"now-{number}")
    for number in range(5):
        end_pod(kubectl, f"now-{number}")
        if number == 2:
            cluster.restart("kube-apiserver")
    for number in range(5):
        wait_until_recorded(kubectl, report, f"now-{number}", "Completed")
    assert kubectl.get("dls", report)["status"]["counts"]["completed"] == 5
    assert len(history(kubectl, report)) == 5


def test_operator_of_one_namespace_leaves_others_alone(
    kubectl: Kubectl, operator: Operator, start_operator: StartOperator
) -> None:
    operator.stop()
    other = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", other)
    start_operator(namespaces=kubectl.namespace)
    kubectl.within(other).apply(schedule("report"))
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")
    assert kubectl.within(other).get("cronjob", "report") is None
    kubectl("delete", "namespace", other, "--wait=false")


def test_operator_exits_with_0_at_sigterm(operator: Operator) -> None:
    operator.process.send_signal(signal.SIGTERM)
    assert operator.process.wait(timeout=15) == 0
