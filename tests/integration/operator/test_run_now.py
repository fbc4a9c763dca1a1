"""A run asked for by annotation, on the control plane."""

from datetime import UTC, datetime
from typing import Any

import pytest

from download_operator.cache.objects import cron_job_of, job_of, schedule_of
from download_operator.manifests.events import RUN_REFUSED, warning
from download_schedule.names import manual_job_name, run_request
from tests.support.delayed_watch import empty_picture, reconcile_once
from tests.support.fake_kubelet import end_pod, history, recorded, start_run
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster


def ask(kubectl: Kubectl, token: str, name: str = "report") -> None:
    kubectl("annotate", f"dls/{name}", f"downloads.dev/run-requested={token}", "--overwrite")


@pytest.fixture
def ready(kubectl: Kubectl, operator: Operator) -> Operator:
    kubectl.apply(schedule("report", concurrencyPolicy="Forbid"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    return operator


def test_one_token_is_one_run_even_when_its_job_is_gone(kubectl: Kubectl, ready: Operator) -> None:
    ask(kubectl, "first")
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    name = job["metadata"]["name"]
    wait_for("its Pod", lambda: kubectl.list("pods"))
    end_pod(kubectl, name)
    (run,) = wait_for(
        "its end", lambda: [r for r in history(kubectl, "report") if r["state"] == "Completed"]
    )
    assert (run["trigger"], run["token"], run["job"]) == ("Manual", "first", name)
    kubectl("delete", "job", name)
    ready.kill()
    ready.start_again()
    ask(kubectl, "second")
    wait_for("the other run", lambda: len(history(kubectl, "report")) == 2)
    assert [run["token"] for run in history(kubectl, "report")] == ["second", "first"]
    assert len(kubectl.list("jobs")) == 1


def test_forbid_waits_and_replace_does_not(kubectl: Kubectl, ready: Operator) -> None:
    ask(kubectl, "first")
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    ask(kubectl, "second")
    kubectl.apply(schedule("report", concurrencyPolicy="Replace"))

    def second() -> list[dict[str, Any]]:
        jobs = kubectl.list("jobs")
        return jobs if [j["metadata"]["name"] for j in jobs] != [job["metadata"]["name"]] else []

    (other,) = wait_for("the other Job, alone", lambda: second() if len(second()) == 1 else [])
    assert other["metadata"]["annotations"]["downloads.dev/run-token"] == "second"

    def ends() -> list[tuple[str | None, str | None]]:
        return [(run.get("token"), run.get("reason")) for run in history(kubectl, "report")]

    wait_for("the first's end", lambda: ("first", "JobDeleted") in ends())
    wait_for("the second", lambda: [token for token, _ in ends()] == ["second", "first"])


def test_a_run_that_ends_as_it_is_about_to_be_replaced_has_completed(
    kubectl: Kubectl, cluster: LocalCluster, ready: Operator
) -> None:
    """The news of its end may be late: here is an operator that has not heard it."""
    kubectl.patch("dls", "report", {"spec": {"concurrencyPolicy": "Replace"}})
    kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", "dls/report")
    start_run(kubectl, "report", "now")
    recorded(kubectl, "report", "now", "Pending", "Running")
    ready.stop()
    before = job_of(kubectl.get("job", "now"))
    end_pod(kubectl, "now")
    kubectl("wait", "--for=condition=Complete", "job/now")
    ask(kubectl, "first")
    picture = empty_picture()
    picture.put_schedule(schedule_of(kubectl.get("dls", "report")))
    picture.put_cron_job(cron_job_of(kubectl.get("cronjob", "report")))
    picture.put_job(before)
    reconcile_once(kubectl, cluster, picture, "report")
    runs = {run["job"]: run["state"] for run in history(kubectl, "report")}
    assert runs.pop("now") == "Completed"
    assert list(runs.values()) == ["Pending"]


def test_a_refusal_is_told_by_an_event_and_the_run_comes_when_it_may(
    kubectl: Kubectl, ready: Operator
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    kubectl.apply(quota)
    wait_for("the quota", lambda: kubectl.get("resourcequota", "none")["status"].get("used"))
    ask(kubectl, "first")

    def refused() -> list[str]:
        return [e["message"] for e in kubectl.list("events") if e["reason"] == "RunRefused"]

    assert "exceeded quota" in wait_for("the Event", refused)[0]
    wait_for("four refusals", lambda: ready.log.read_text().count("failed, next attempt") >= 4)
    assert len(refused()) == 1
    kubectl("delete", "resourcequota", "none")
    wait_for("the Job", lambda: kubectl.list("jobs"))


def test_while_one_is_refused_the_ends_of_others_are_recorded(
    kubectl: Kubectl, ready: Operator
) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    start_run(kubectl, "report", "now")
    kubectl("create", "quota", "one", "--hard=count/jobs.batch=1")
    wait_for("the quota", lambda: kubectl.get("quota", "one").get("status", {}).get("used"))
    ask(kubectl, "first")
    wait_for("the refusal", lambda: "exceeded quota" in ready.log.read_text())
    end_pod(kubectl, "now")
    recorded(kubectl, "report", "now", "Completed")
    assert [run["job"] for run in history(kubectl, "report")] == ["now"]


def test_while_somebody_elses_job_has_the_name_the_ends_of_others_are_recorded(
    kubectl: Kubectl, ready: Operator
) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    start_run(kubectl, "report", "now")
    request = run_request(kubectl.get("dls", "report")["metadata"]["uid"], "first")
    kubectl("create", "job", manual_job_name("report", request), "--image=example.com/x")
    ask(kubectl, "first")
    wait_for("the refusal", lambda: "already exists" in ready.log.read_text())
    end_pod(kubectl, "now")
    recorded(kubectl, "report", "now", "Completed")
    assert [run["job"] for run in history(kubectl, "report")] == ["now"]


@pytest.mark.usefixtures("operator")
def test_the_event_of_a_long_name_that_is_cut_at_a_dot_is_admitted(kubectl: Kubectl) -> None:
    name = "n" * 51 + ".n"
    kubectl("create", "quota", "none", "--hard=count/jobs.batch=0")
    wait_for("the quota", lambda: kubectl.get("quota", "none").get("status", {}).get("used"))
    kubectl.apply(schedule(name))
    kubectl("wait", "--for=condition=Ready", f"dls/{name}")
    ask(kubectl, "first", name)
    wait_for("the Event", lambda: "RunRefused" in [e["reason"] for e in kubectl.list("events")])


@pytest.mark.parametrize("note", ["x" * 2000, "\N{SNOWMAN}" * 1000])
def test_an_event_with_whatever_a_webhook_said_is_admitted(kubectl: Kubectl, note: str) -> None:
    kubectl.apply(schedule("report"))
    event = warning(schedule_of(kubectl.get("dls", "report")), RUN_REFUSED, note, datetime.now(UTC))
    kubectl.apply(event)
    assert kubectl.get("event", event["metadata"]["name"])["message"].strip(note[0]) == ""
