"""A run requested by annotation, on the control plane."""

from datetime import UTC, datetime
from typing import Any

import pytest

from download_operator.cache.objects import parse_cron_job, parse_job, parse_schedule
from download_operator.manifests.events import RUN_REFUSED, build_warning
from download_schedule import cron
from download_schedule.names import manual_job_name, run_request, tick_job_name
from download_schedule.timestamps import format_time
from tests.support.delayed_watch import empty_cache, reconcile_once
from tests.support.fake_kubelet import (
    active_pod,
    end_pod,
    history,
    start_run,
    wait_until_recorded,
)
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for


def request_run(kubectl: Kubectl, token: str, name: str = "report") -> None:
    kubectl("annotate", f"dls/{name}", f"downloads.dev/run-requested={token}", "--overwrite")


@pytest.fixture
def ready(kubectl: Kubectl, operator: Operator) -> Operator:
    kubectl.apply(schedule("report", concurrencyPolicy="Forbid"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    return operator


def test_token_starts_one_run_even_after_its_job_was_deleted(
    kubectl: Kubectl, ready: Operator
) -> None:
    request_run(kubectl, "first")
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    name = job["metadata"]["name"]
    wait_for("its Pod", lambda: kubectl.list("pods"))
    end_pod(kubectl, name)
    (run,) = wait_for(
        "the end", lambda: [r for r in history(kubectl, "report") if r["state"] == "Completed"]
    )
    assert (run["trigger"], run["token"], run["job"]) == ("Manual", "first", name)
    kubectl("delete", "job", name)
    ready.kill()
    ready.start_again()
    request_run(kubectl, "second")
    wait_for("the second run", lambda: len(history(kubectl, "report")) == 2)
    assert [run["token"] for run in history(kubectl, "report")] == ["second", "first"]
    assert len(kubectl.list("jobs")) == 1


def test_run_of_a_tick_runs_as_the_cron_job_would_and_again_after_that(
    kubectl: Kubectl, ready: Operator
) -> None:
    """An operator that is killed beside its request starts no second Job for it."""
    tick = cron.parse("0 0 1 1 *").previous_tick(datetime.now(UTC))
    assert tick
    time = format_time(tick)

    def request_tick(token: str, at: str = time) -> None:
        kubectl("annotate", "dls/report", f"downloads.dev/run-tick={at}", "--overwrite")
        request_run(kubectl, token)

    def end(job: str, exit_code: int, letter: str) -> None:
        end_pod(kubectl, job, exit_code)
        wait_for("the letter", lambda: letters() == letter)

    def letters() -> str:
        return str(kubectl.get("dls", "report")["status"].get("ticks", {}).get("outcomes", ""))

    def refusals() -> list[str]:
        return [e["message"] for e in kubectl.list("events") if e["reason"] == "RunRefused"]

    request_tick("first")
    ready.kill()
    ready.start_again()
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    first = job["metadata"]["name"]
    assert first == tick_job_name("report", tick)
    pod = kubectl.get("pod", active_pod(kubectl, first))
    variables = {entry["name"]: entry.get("value") for entry in pod["spec"]["containers"][0]["env"]}
    assert variables["DOWNLOAD_TICK"] == time
    end(first, 10, "F")
    request_tick("second")
    second = manual_job_name("report", run_request(uid_of_schedule(kubectl), "second"))
    end(second, 0, "C")
    runs = history(kubectl, "report")
    assert [run["job"] for run in runs] == [second, first]
    assert {(run["trigger"], run["scheduledTime"]) for run in runs} == {("Manual", time)}
    request_tick("third", "2026-01-02T00:00:00Z")
    assert f"write {time}" in wait_for("the refusal", refusals)[0]
    assert len(kubectl.list("jobs")) == 2


def uid_of_schedule(kubectl: Kubectl) -> str:
    uid: str = kubectl.get("dls", "report")["metadata"]["uid"]
    return uid


def test_forbid_waits_for_the_active_run_and_replace_stops_it(
    kubectl: Kubectl, ready: Operator
) -> None:
    request_run(kubectl, "first")
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
    request_run(kubectl, "second")
    kubectl.apply(schedule("report", concurrencyPolicy="Replace"))

    def only_replacement() -> dict[str, Any] | None:
        jobs = kubectl.list("jobs")
        if len(jobs) != 1 or jobs[0]["metadata"]["name"] == job["metadata"]["name"]:
            return None
        return jobs[0]

    replacement = wait_for("the other Job, alone", only_replacement)
    assert replacement["metadata"]["annotations"]["downloads.dev/run-token"] == "second"

    def ends() -> list[tuple[str | None, str | None]]:
        return [(run.get("token"), run.get("reason")) for run in history(kubectl, "report")]

    wait_for("the first's end", lambda: ("first", "JobDeleted") in ends())
    wait_for("the second", lambda: [token for token, _ in ends()] == ["second", "first"])


def test_run_that_ends_just_before_it_is_replaced_has_completed(
    kubectl: Kubectl, cluster: LocalCluster, ready: Operator
) -> None:
    """The event of its end may be late: this operator has not received it."""
    kubectl.patch("dls", "report", {"spec": {"concurrencyPolicy": "Replace"}})
    kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", "dls/report")
    start_run(kubectl, "report", "now")
    wait_until_recorded(kubectl, "report", "now", "Pending", "Running")
    ready.stop()
    before = parse_job(kubectl.get("job", "now"))
    end_pod(kubectl, "now")
    kubectl("wait", "--for=condition=Complete", "job/now")
    request_run(kubectl, "first")
    cache = empty_cache()
    cache.put_schedule(parse_schedule(kubectl.get("dls", "report")))
    cache.put_cron_job(parse_cron_job(kubectl.get("cronjob", "report")))
    cache.put_job(before)

    reconcile_once(kubectl, cluster, cache, "report")

    runs = {run["job"]: run["state"] for run in history(kubectl, "report")}
    assert runs.pop("now") == "Completed"
    assert list(runs.values()) == ["Pending"]


def test_refusal_is_published_as_an_event_and_the_run_starts_later(
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
    request_run(kubectl, "first")

    def refused() -> list[str]:
        return [e["message"] for e in kubectl.list("events") if e["reason"] == "RunRefused"]

    assert "exceeded quota" in wait_for("the Event", refused)[0]
    wait_for("four refusals", lambda: ready.logged().count("failed, trying again") >= 4)
    assert len(refused()) == 1
    kubectl("delete", "resourcequota", "none")
    wait_for("the Job", lambda: kubectl.list("jobs"))


def test_runs_are_recorded_while_a_requested_run_is_refused(
    kubectl: Kubectl, ready: Operator
) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    start_run(kubectl, "report", "now")
    kubectl("create", "quota", "one", "--hard=count/jobs.batch=1")
    wait_for("the quota", lambda: kubectl.get("quota", "one").get("status", {}).get("used"))
    request_run(kubectl, "first")
    wait_for("the refusal", lambda: ready.has_logged("exceeded quota"))
    end_pod(kubectl, "now")
    wait_until_recorded(kubectl, "report", "now", "Completed")
    assert [run["job"] for run in history(kubectl, "report")] == ["now"]


def test_runs_are_recorded_while_another_job_has_the_name_of_the_requested_run(
    kubectl: Kubectl, ready: Operator
) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    start_run(kubectl, "report", "now")
    request = run_request(kubectl.get("dls", "report")["metadata"]["uid"], "first")
    kubectl("create", "job", manual_job_name("report", request), "--image=example.com/x")
    request_run(kubectl, "first")
    wait_for("the refusal", lambda: ready.has_logged("already exists"))
    end_pod(kubectl, "now")
    wait_until_recorded(kubectl, "report", "now", "Completed")
    assert [run["job"] for run in history(kubectl, "report")] == ["now"]


@pytest.mark.usefixtures("operator")
def test_event_is_accepted_for_a_name_that_is_cut_at_a_dot(kubectl: Kubectl) -> None:
    name = "n" * 51 + ".n"
    kubectl("create", "quota", "none", "--hard=count/jobs.batch=0")
    wait_for("the quota", lambda: kubectl.get("quota", "none").get("status", {}).get("used"))
    kubectl.apply(schedule(name))
    kubectl("wait", "--for=condition=Ready", f"dls/{name}")
    request_run(kubectl, "first", name)
    wait_for("the Event", lambda: "RunRefused" in [e["reason"] for e in kubectl.list("events")])


@pytest.mark.parametrize("note", ["x" * 2000, "\N{SNOWMAN}" * 1000])
def test_event_is_accepted_whatever_a_webhook_said(kubectl: Kubectl, note: str) -> None:
    kubectl.apply(schedule("report"))
    observed = parse_schedule(kubectl.get("dls", "report"))
    event = build_warning(observed, RUN_REFUSED, note, datetime.now(UTC))
    kubectl.apply(event)
    assert kubectl.get("event", event["metadata"]["name"])["message"].strip(note[0]) == ""
