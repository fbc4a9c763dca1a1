"""Runs requested over HTTP, suspended schedules, and previews of expressions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from download_schedule.names import RUN_REQUESTED_ANNOTATION
from tests.support.api_schedules import REPORT, create
from tests.support.fake_kubelet import RESULT, end_pod, start_run, wait_until_recorded
from tests.support.operator_process import StartOperator
from tools.cluster.kubectl import Kubectl, wait_for


def error_type(response: httpx.Response) -> Any:
    return response.json()["detail"]["error_type"]


def test_location_of_a_requested_run_leads_to_it(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    created = create(api)
    kubectl("wait", "--for=condition=Ready", f"dls/{created['resource']}")
    response = api.post(f"/schedules/{created['id']}/run", headers={"Idempotency-Key": "once"})
    assert response.status_code == 202
    started = response.json()
    assert (started["success"], started["token"]) == (True, "once")
    path = response.headers["location"]
    wait_for("its Pod", lambda: kubectl.list("pods"))
    end_pod(kubectl, started["execution_id"])

    def completed() -> dict[str, Any] | None:
        execution: dict[str, Any] = api.get(path).json()
        return execution if execution.get("status") == "completed" else None

    run = wait_for("the run's end", completed)
    assert run["trigger"] == "manual"
    history = f"/schedules/{created['id']}/history"
    for query, total in (("status=completed&trigger=manual", 1), ("status=failed", 0)):
        assert api.get(f"{history}?{query}").json()["total"] == total
    for query in ("status=odd", "since=yesterday", "since=2026-11-23T02:00:00"):
        assert api.get(f"{history}?{query}").status_code == 422
    by_id = api.get(f"/schedules/{created['id']}/history/{run['execution_id']}")
    assert by_id.json() == run
    again = api.post(f"/schedules/{created['id']}/run", headers={"Idempotency-Key": "once"})
    assert again.json() == started
    assert len(kubectl.list("jobs")) == 1


def test_forbid_refuses_another_run_but_not_a_repetition(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    created = create(api)
    first = api.post(f"/schedules/{created['id']}/run", headers={"Idempotency-Key": "a"}).json()
    name = created["resource"]
    wait_for("the run", lambda: kubectl.get("dls", name).get("status", {}).get("active"))
    refused = api.post(f"/schedules/{created['id']}/run")
    assert (refused.status_code, error_type(refused)) == (409, "run_active")
    assert refused.headers["retry-after"]
    same = api.post(f"/schedules/{created['id']}/run", headers={"Idempotency-Key": "a"})
    assert same.json() == first


def accepted(request: Callable[[], httpx.Response]) -> httpx.Response | None:
    response = request()
    return response if response.is_success else None


def test_every_accepted_request_becomes_a_run(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    """The resource has room for one request. A second one would overwrite the first."""
    created = create(api, concurrency_policy="Allow")
    path = f"/schedules/{created['id']}/run"

    def request_run(token: str) -> httpx.Response:
        return api.post(path, headers={"Idempotency-Key": token})

    first = request_run("a")
    early = request_run("b")
    assert (first.status_code, early.status_code, error_type(early)) == (202, 409, "conflict")
    assert early.headers["retry-after"] == "1"
    assert request_run("a").json() == first.json()
    start_operator(namespaces=kubectl.namespace)
    requested = {first.json()["execution_id"]}
    for token in ("b", "c", "d"):
        started = wait_for("room", partial(accepted, partial(request_run, token)))
        requested.add(started.json()["execution_id"])
    assert request_run("a").json() == first.json()

    def jobs() -> set[str]:
        return {job["metadata"]["name"] for job in kubectl.list("jobs")}

    wait_for("all of them", lambda: jobs() == requested)


def test_suspend_and_resume_may_be_repeated(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    for _ in range(2):
        suspended = api.post(f"/schedules/{created['id']}/suspend").json()
        assert (suspended["enabled"], suspended["next_run_time"]) == (False, None)
    assert kubectl.get("dls", created["resource"])["spec"]["suspend"]
    for _ in range(2):
        assert api.post(f"/schedules/{created['id']}/resume").json()["enabled"]


def test_unknown_schedule_and_unknown_run_are_a_404(api: httpx.Client) -> None:
    for action in ("run", "suspend", "resume"):
        response = api.post(f"/schedules/team.nothing/{action}")
        assert (response.status_code, error_type(response)) == (404, "schedule_not_found")
    created = create(api)
    response = api.get(f"/schedules/{created['id']}/history/none")
    assert (response.status_code, error_type(response)) == (404, "execution_not_found")


def test_preview_explains_an_expression_or_refuses_it(api: httpx.Client) -> None:
    preview = api.get(
        "/cron/preview", params={"expr": "0 2 * * MON-FRI", "tz": "Europe/Berlin", "count": 3}
    ).json()
    assert len(preview["next_run_times"]) == 3
    assert preview["description"]
    bad = api.get("/cron/preview", params={"expr": "61 * * * *"})
    assert (bad.status_code, error_type(bad)) == (400, "invalid_cron_expression")
    pasted = api.get("/cron/preview", params={"expr": "0\u00a02 * * *"})
    assert (pasted.status_code, error_type(pasted)) == (400, "invalid_cron_expression")
    zone = api.get("/cron/preview", params={"expr": "0 2 * * *", "tz": "Mars/Olympus"})
    assert (zone.status_code, error_type(zone)) == (422, "validation_error")
    for count in (0, 101):
        many = api.get("/cron/preview", params={"expr": "0 2 * * *", "count": count})
        assert many.status_code == 422


def test_preview_marks_ticks_that_are_left_out_or_says_what_is_wrong(api: httpx.Client) -> None:
    query = {"expr": "0 2 * * *", "count": "7"}
    weekend = {**query, "exclude_weekday": ["Sat", "Sun"]}
    preview = api.get("/cron/preview", params=weekend).json()
    assert len(preview["next_run_times"]) == 7
    assert sum(reason is not None for reason in preview["excluded"]) == 2
    assert all("exclude.weekdays has" in reason for reason in filter(None, preview["excluded"]))
    assert api.get("/cron/preview", params=query).json()["excluded"] == []
    every = {**query, "exclude_date": "2026-01-01/2999-12-31", "exclude_month_day": "-1"}
    assert None not in api.get("/cron/preview", params=every).json()["excluded"]
    for name, value in (("date", "2026-02-29"), ("weekday", "sat"), ("month_day", "0")):
        wrong = api.get("/cron/preview", params={**query, f"exclude_{name}": value})
        assert (wrong.status_code, error_type(wrong)) == (422, "validation_error")


def test_preview_fills_in_a_url_or_says_what_is_wrong_with_it(api: httpx.Client) -> None:
    query = {"expr": "0 2 * * *", "count": "1"}
    preview = api.get("/cron/preview", params={**query, "url": f"{REPORT['url']}/{{scheduled:%H}}"})
    assert preview.json()["urls"] == ["https://example.com/x/02"]
    assert api.get("/cron/preview", params=query).json()["urls"] == []
    wrong = api.get("/cron/preview", params={**query, "url": "https://{name}.example.com/"})
    assert (wrong.status_code, error_type(wrong)) == (422, "validation_error")
    assert "write the scheme, the host and the port themselves" in wrong.text


def test_history_has_the_url_that_each_run_fetched(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    created = create(api, url="https://example.com/{scheduled:%Y}/{name}")
    assert created["url"] == "https://example.com/{scheduled:%Y}/{name}"
    name = created["resource"]
    kubectl("wait", "--for=condition=Ready", f"dls/{name}")
    start_run(kubectl, name, "now")
    end_pod(kubectl, "now", message={**RESULT, "url": "https://example.com/2026/x"})
    run = wait_until_recorded(kubectl, name, "now", "Completed")
    assert run["url"] == "https://example.com/2026/x"
    (execution,) = api.get(f"/schedules/{created['id']}/history").json()["executions"]
    assert execution["url"] == run["url"]
    refused = api.patch(f"/schedules/{created['id']}", json={"url": "https://example.com/{date}"})
    assert refused.status_code == 422
    assert "for braces themselves {{ and }}" in refused.text


def test_dry_run_starts_and_stops_nothing(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    path = f"/schedules/{created['id']}"
    run = api.post(f"{path}/run?dry_run=true")
    assert (run.status_code, "location" in run.headers) == (202, False)
    assert "would be requested" in run.json()["message"]
    for action, enabled in (("suspend", False), ("resume", True)):
        dry_run = api.post(f"{path}/{action}?dry_run=true")
        assert (dry_run.status_code, dry_run.json()["enabled"]) == (200, enabled)
        stored = kubectl.get("dls", created["resource"])
        assert RUN_REQUESTED_ANNOTATION not in stored["metadata"]["annotations"]
        assert not stored["spec"]["suspend"]


def test_outdated_version_is_not_run_suspended_or_resumed(api: httpx.Client) -> None:
    path = f"/schedules/{create(api)['id']}"
    seen = {"If-Match": api.get(path).headers["etag"]}
    changed = api.patch(path, json={"backoff_limit": 1})
    for action in ("run", "suspend", "resume"):
        late = api.post(f"{path}/{action}", headers=seen)
        assert (late.status_code, error_type(late)) == (412, "precondition_failed")
    assert api.get(path).json() == changed.json()
    newest = {"If-Match": changed.headers["etag"]}
    assert api.post(f"{path}/run", headers=newest).status_code == 202
    suspended = api.post(f"{path}/suspend", headers=newest)
    assert suspended.headers["etag"] == api.get(path).headers["etag"] != newest["If-Match"]
