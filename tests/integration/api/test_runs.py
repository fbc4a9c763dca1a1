"""Runs asked for over HTTP, suspended schedules, and what an expression means."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from download_schedule.names import RUN_REQUESTED_ANNOTATION
from tests.support.fake_kubelet import end_pod
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import StartOperator
from tests.support.result_reports import create


def error_type(answer: httpx.Response) -> Any:
    return answer.json()["detail"]["error_type"]


def test_a_run_now_is_found_where_location_says(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    made = create(api)
    kubectl("wait", "--for=condition=Ready", f"dls/{made['resource']}")
    answer = api.post(f"/schedules/{made['id']}/run", headers={"Idempotency-Key": "once"})
    assert answer.status_code == 202
    started = answer.json()
    assert (started["success"], started["token"]) == (True, "once")
    where = answer.headers["location"]
    wait_for("its Pod", lambda: kubectl.list("pods"))
    end_pod(kubectl, started["execution_id"])

    def completed() -> dict[str, Any] | None:
        found = api.get(where).json()
        return found if found.get("status") == "completed" else None

    run = wait_for("the run's end", completed)
    assert run["trigger"] == "manual"
    history = f"/schedules/{made['id']}/history"
    for query, total in (("status=completed&trigger=manual", 1), ("status=failed", 0)):
        assert api.get(f"{history}?{query}").json()["total"] == total
    for query in ("status=odd", "since=yesterday", "since=2026-11-23T02:00:00"):
        assert api.get(f"{history}?{query}").status_code == 422
    by_id = api.get(f"/schedules/{made['id']}/history/{run['execution_id']}")
    assert by_id.json() == run
    again = api.post(f"/schedules/{made['id']}/run", headers={"Idempotency-Key": "once"})
    assert again.json() == started
    assert len(kubectl.list("jobs")) == 1


def test_forbid_refuses_a_second_run_and_takes_the_same_one(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    made = create(api)
    first = api.post(f"/schedules/{made['id']}/run", headers={"Idempotency-Key": "a"}).json()
    name = made["resource"]
    wait_for("the run", lambda: kubectl.get("dls", name).get("status", {}).get("active"))
    refused = api.post(f"/schedules/{made['id']}/run")
    assert (refused.status_code, error_type(refused)) == (409, "run_active")
    assert refused.headers["retry-after"]
    same = api.post(f"/schedules/{made['id']}/run", headers={"Idempotency-Key": "a"})
    assert same.json() == first


def accepted(ask: Callable[[], httpx.Response]) -> httpx.Response | None:
    answer = ask()
    return answer if answer.is_success else None


def test_every_run_that_was_promised_comes(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    """The resource has room for one request: a second one would take the place of the first."""
    made = create(api, concurrency_policy="Allow")
    where = f"/schedules/{made['id']}/run"

    def ask(token: str) -> httpx.Response:
        return api.post(where, headers={"Idempotency-Key": token})

    first = ask("a")
    early = ask("b")
    assert (first.status_code, early.status_code, error_type(early)) == (202, 409, "conflict")
    assert early.headers["retry-after"] == "1"
    assert ask("a").json() == first.json()
    start_operator(namespaces=kubectl.namespace)
    promised = {first.json()["execution_id"]}
    for token in ("b", "c", "d"):
        started = wait_for("room", partial(accepted, partial(ask, token)))
        promised.add(started.json()["execution_id"])
    assert ask("a").json() == first.json()

    def jobs() -> set[str]:
        return {job["metadata"]["name"] for job in kubectl.list("jobs")}

    wait_for("all of them", lambda: jobs() == promised)


def test_suspend_and_resume_may_be_said_twice(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    for _ in range(2):
        suspended = api.post(f"/schedules/{made['id']}/suspend").json()
        assert (suspended["enabled"], suspended["next_run_time"]) == (False, None)
    assert kubectl.get("dls", made["resource"])["spec"]["suspend"]
    for _ in range(2):
        assert api.post(f"/schedules/{made['id']}/resume").json()["enabled"]


def test_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    for action in ("run", "suspend", "resume"):
        answer = api.post(f"/schedules/team.nothing/{action}")
        assert (answer.status_code, error_type(answer)) == (404, "schedule_not_found")
    made = create(api)
    answer = api.get(f"/schedules/{made['id']}/history/none")
    assert (answer.status_code, error_type(answer)) == (404, "execution_not_found")


def test_a_preview_says_what_kubernetes_will_do(api: httpx.Client) -> None:
    found = api.get(
        "/cron/preview", params={"expr": "0 2 * * MON-FRI", "tz": "Europe/Berlin", "count": 3}
    ).json()
    assert len(found["next_run_times"]) == 3
    assert found["description"]
    bad = api.get("/cron/preview", params={"expr": "61 * * * *"})
    assert (bad.status_code, error_type(bad)) == (400, "invalid_cron_expression")
    pasted = api.get("/cron/preview", params={"expr": "0\u00a02 * * *"})
    assert (pasted.status_code, error_type(pasted)) == (400, "invalid_cron_expression")
    zone = api.get("/cron/preview", params={"expr": "0 2 * * *", "tz": "Mars/Olympus"})
    assert (zone.status_code, error_type(zone)) == (422, "validation_error")
    for count in (0, 101):
        many = api.get("/cron/preview", params={"expr": "0 2 * * *", "count": count})
        assert many.status_code == 422


def test_what_is_only_tried_starts_and_stops_nothing(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    where = f"/schedules/{made['id']}"
    run = api.post(f"{where}/run?dry_run=true")
    assert (run.status_code, "location" in run.headers) == (202, False)
    assert "would be asked for" in run.json()["message"]
    for action, enabled in (("suspend", False), ("resume", True)):
        tried = api.post(f"{where}/{action}?dry_run=true")
        assert (tried.status_code, tried.json()["enabled"]) == (200, enabled)
        stored = kubectl.get("dls", made["resource"])
        assert RUN_REQUESTED_ANNOTATION not in stored["metadata"]["annotations"]
        assert not stored["spec"]["suspend"]


def test_runs_start_and_stop_only_of_what_one_has_seen(api: httpx.Client) -> None:
    where = f"/schedules/{create(api)['id']}"
    seen = {"If-Match": api.get(where).headers["etag"]}
    changed = api.patch(where, json={"backoff_limit": 1})
    for action in ("run", "suspend", "resume"):
        late = api.post(f"{where}/{action}", headers=seen)
        assert (late.status_code, error_type(late)) == (412, "precondition_failed")
    assert api.get(where).json() == changed.json()
    newest = {"If-Match": changed.headers["etag"]}
    assert api.post(f"{where}/run", headers=newest).status_code == 202
    suspended = api.post(f"{where}/suspend", headers=newest)
    assert suspended.headers["etag"] == api.get(where).headers["etag"] != newest["If-Match"]
