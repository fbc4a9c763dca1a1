"""Every run is in the history once, whatever happens on the way."""

import signal
import time

import pytest

from tests.integration.conftest import StartOperator
from tests.support.fake_kubelet import (
    DOCUMENT,
    end_pod,
    history,
    pod_of,
    recorded,
    run_pod,
    start_run,
)
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import Operator
from tests.support.schedules import condition, schedule
from tools.cluster import LocalCluster


@pytest.fixture
def report(kubectl: Kubectl, operator: Operator) -> str:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")
    return "report"


def test_a_run_that_completes(kubectl: Kubectl, report: str) -> None:
    uid = start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    running = recorded(kubectl, report, "now", "Running")
    assert "completionTime" not in running
    assert kubectl.get("dls", report)["status"]["active"] == 1
    end_pod(kubectl, "now")
    run = recorded(kubectl, report, "now", "Completed")
    status = kubectl.get("dls", report)["status"]
    assert run | DOCUMENT == run
    assert (run["id"], run["trigger"], run["attempts"]) == (uid, "Manual", 1)
    assert "active" not in status
    assert status["counts"] == {"completed": 1, "failed": 0, "missed": 0}
    assert status["lastSuccessTime"] == run["completionTime"]
    assert condition({"status": status}, "Healthy")["status"] == "True"


def test_a_run_that_fails_at_once(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    words = {"reason": "HTTPStatus", "message": "404 Not Found", "httpStatus": 404}
    end_pod(kubectl, "now", exit_code=10, message=words)
    run = recorded(kubectl, report, "now", "Failed")
    assert run | words == run
    assert run["attempts"] == 1
    status = kubectl.get("dls", report)["status"]
    assert status["consecutiveFailures"] == 1
    assert "404 Not Found" in condition({"status": status}, "Healthy")["message"]


def test_a_run_that_completes_at_the_second_attempt(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now", exit_code=20, message={"reason": "Timeout", "message": "too slow"})
    end_pod(kubectl, "now")
    run = recorded(kubectl, report, "now", "Completed")
    assert run["attempts"] == 2
    assert run["reason"] == "Timeout"
    assert run["sha256"] == DOCUMENT["sha256"]


@pytest.mark.parametrize(
    "rubbish", ["", "not JSON", "[]", '{"bytes": -1}', '{"state": "Completed"}', "{" * 3000]
)
def test_what_a_pod_writes_is_not_trusted(kubectl: Kubectl, report: str, rubbish: str) -> None:
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now", message=rubbish)
    run = recorded(kubectl, report, "now", "Completed")
    assert "sha256" not in run


def test_what_others_write_into_a_job_keeps_no_run_out_of_the_status(
    kubectl: Kubectl, report: str
) -> None:
    template = kubectl.get("cronjob", report)["spec"]["jobTemplate"]
    tick = {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-W01-1T00:00:00Z"}
    metadata = {"labels": template["metadata"]["labels"], "annotations": tick}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": template["spec"]}
    other = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", other)
    kubectl.within(other).apply({**job, "metadata": {**metadata, "name": "elsewhere"}})
    kubectl.apply({**job, "metadata": {**metadata, "name": "odd"}})
    end_pod(kubectl, "odd")
    assert recorded(kubectl, report, "odd", "Completed")["scheduledTime"] == "2025-12-29T00:00:00Z"
    start_run(kubectl, report, "now")
    recorded(kubectl, report, "now", "Pending")
    assert {run["job"] for run in history(kubectl, report)} == {"now", "odd"}
    kubectl("delete", "namespace", other, "--wait=false")


def test_a_run_that_cannot_start_says_why(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    run = recorded(kubectl, report, "now", "Pending")
    assert run["reason"] == "Unschedulable"
    assert "no nodes available" in run["message"]


def test_a_job_deleted_before_its_end_has_failed(kubectl: Kubectl, report: str) -> None:
    start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    recorded(kubectl, report, "now", "Running")
    kubectl("delete", "job", "now", "--wait=false")
    assert recorded(kubectl, report, "now", "Failed")["reason"] == "JobDeleted"


def test_a_run_that_ended_while_no_operator_ran(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    operator.kill()
    start_run(kubectl, report, "now")
    end_pod(kubectl, "now")
    wait_for("the Job's end", lambda: kubectl.get("job", "now")["status"].get("succeeded"))
    operator.start_again()
    assert recorded(kubectl, report, "now", "Completed")["sha256"] == DOCUMENT["sha256"]
    operator.kill()
    operator.start_again()
    assert kubectl.get("dls", report)["status"]["counts"]["completed"] == 1


def test_runs_that_ended_while_no_operator_ran_and_lost_their_pods_are_told_at_once(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    """A node that is scaled down takes the Pods of many with it; their Jobs stay."""
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
    assert "not settled" not in operator.log.read_text()


def test_a_run_whose_job_vanished_while_no_operator_ran(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    start_run(kubectl, report, "now")
    run_pod(kubectl, "now")
    recorded(kubectl, report, "now", "Running")
    operator.kill()
    kubectl("delete", "job", "now", "--wait=false")
    wait_for("the Job's end", lambda: kubectl.get("job", "now") is None)
    operator.start_again()
    assert recorded(kubectl, report, "now", "Failed")["reason"] == "JobDeleted"


def test_no_more_runs_than_the_limit_and_none_counted_twice(
    kubectl: Kubectl, report: str, operator: Operator
) -> None:
    kubectl.patch("dls", report, {"spec": {"historyLimit": 2}})
    for number in range(4):
        start_run(kubectl, report, f"now-{number}")
        end_pod(kubectl, f"now-{number}")
        recorded(kubectl, report, f"now-{number}", "Completed")
        time.sleep(1.1)  # the API server's times have whole seconds, and the order is by time
    operator.kill()
    operator.start_again()
    start_run(kubectl, report, "last")
    end_pod(kubectl, "last", exit_code=10, message={"reason": "NotFound"})
    recorded(kubectl, report, "last", "Failed")
    status = kubectl.get("dls", report)["status"]
    assert [run["job"] for run in status["history"]] == ["last", "now-3"]
    assert status["counts"] == {"completed": 4, "failed": 1, "missed": 0}
    assert status["consecutiveFailures"] == 1


def test_the_api_server_restarts_while_runs_end(
    kubectl: Kubectl, report: str, cluster: LocalCluster
) -> None:
    for number in range(5):
        start_run(kubectl, report, f"now-{number}")
        pod_of(kubectl, f"now-{number}")
    for number in range(5):
        end_pod(kubectl, f"now-{number}")
        if number == 2:
            cluster.restart("kube-apiserver")
    for number in range(5):
        recorded(kubectl, report, f"now-{number}", "Completed")
    assert kubectl.get("dls", report)["status"]["counts"]["completed"] == 5
    assert len(history(kubectl, report)) == 5


def test_the_operator_of_one_namespace_leaves_others_alone(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    other = f"{kubectl.namespace}-other"
    kubectl("create", "namespace", other)
    start_operator(namespaces=kubectl.namespace)
    kubectl.within(other).apply(schedule("report"))
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=20s")
    assert kubectl.within(other).get("cronjob", "report") is None
    kubectl("delete", "namespace", other, "--wait=false")


def test_sigterm_ends_it_in_good_order(start_operator: StartOperator) -> None:
    operator = start_operator()
    operator.process.send_signal(signal.SIGTERM)
    assert operator.process.wait(timeout=15) == 0
