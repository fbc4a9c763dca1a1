"""The contract of the seed API, line by line: its callers need no change.

Intended differences: `id` is `{namespace}.{name}`, which callers may treat as any text; POST
responds with 201 and Location; unknown members are refused; a private address does not fail the
request, but the run, unless the operator's configuration allows it; Kubernetes' own growing pauses
are between the attempts, of which there are `backoff_limit` and one; the history is limited by
number (`history_limit`) and not by age; a tick is skipped after `starting_deadline_seconds`; the
requests a minute are limited by a setting (`DOWNLOAD_API_RATE_LIMIT`).
"""

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.api_process import KEY, StartApi
from tests.support.api_schedules import START, record, run
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

NEW = {"name": "nightly", "url": "https://example.com/a", "cron_expression": "30 2 * * 1-5"}
FIELDS = {
    "id",
    "name",
    "url",
    "cron_expression",
    "format",
    "headers",
    "enabled",
    "created_at",
    "next_run_time",
}
EXECUTION_FIELDS = {
    "execution_id",
    "schedule_id",
    "status",
    "started_at",
    "completed_at",
    "duration",
    "success",
    "content_size",
    "attempt",
    "error_message",
}


def create(api: httpx.Client, **members: Any) -> dict[str, Any]:
    response = api.post("/schedules", json={**NEW, **members})
    assert response.is_success, response.text
    created: dict[str, Any] = response.json()
    return created


def time(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    assert parsed.tzinfo
    return parsed


def detail(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["detail"]
    assert error["success"] is False
    assert isinstance(error["error"], str)
    assert error["error"]
    return error


def test_post_returns_every_member(api: httpx.Client) -> None:
    members = {
        **NEW,
        "format": "markdown",
        "headers": {"User-Agent": "seed/1", "Authorization": "Bearer of-the-site"},
        "enabled": False,
    }
    created = create(api, **members)
    assert created.keys() >= FIELDS
    assert created | members == created


def test_members_have_the_defaults_of_the_seed(api: httpx.Client) -> None:
    created = create(api)
    assert (created["format"], created["headers"], created["enabled"]) == ("text", {}, True)


def test_headers_may_be_null(api: httpx.Client) -> None:
    """That is the seed's default, and clients send it."""
    created = create(api, headers=None)
    assert created["headers"] == {}
    path = f"/schedules/{created['id']}"
    assert api.patch(path, json={"headers": {"Accept": "text/csv"}}).json()["headers"]
    assert api.put(path, json={**NEW, "headers": None}).json()["headers"] == {}


@pytest.mark.parametrize("file_format", ["text", "html", "markdown", "pdf", "json", "raw"])
def test_every_format_is_accepted(api: httpx.Client, kubectl: Kubectl, file_format: str) -> None:
    created = create(api, format=file_format)
    assert created["format"] == file_format
    assert kubectl.get("dls", created["resource"])["spec"]["format"] == file_format


def test_id_leads_to_the_same_schedule(api: httpx.Client) -> None:
    created = create(api)
    assert isinstance(created["id"], str)
    assert create(api)["id"] != created["id"]
    response = api.get(f"/schedules/{created['id']}")
    assert (response.status_code, response.json()) == (200, created)


def test_times_have_a_zone_and_are_plausible(api: httpx.Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    created = create(api)
    assert before <= time(created["created_at"]) <= datetime.now(UTC)
    next_run = time(created["next_run_time"])
    assert next_run > datetime.now(UTC)
    assert (next_run.hour, next_run.minute) == (2, 30)
    assert next_run.isoweekday() <= 5


def test_schedule_that_is_not_enabled_does_not_run(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api, enabled=False)
    assert (created["enabled"], created["next_run_time"]) == (False, None)
    assert kubectl.get("dls", created["resource"])["spec"]["suspend"] is True


def test_list_has_schedules_and_total(api: httpx.Client) -> None:
    created = [create(api, name=name) for name in ("b", "a", "c")]
    response = api.get("/schedules")
    assert response.status_code == 200
    page = response.json()
    assert page.keys() == {"schedules", "total"}
    assert page["total"] == len(page["schedules"])
    assert all(schedule in page["schedules"] for schedule in created)


def test_list_without_a_limit_is_complete(api: httpx.Client, kubectl: Kubectl) -> None:
    for number in range(25):
        create(api, name=f"many-{number}")
    listed = api.get("/schedules").json()["schedules"]
    assert sum(schedule["namespace"] == kubectl.namespace for schedule in listed) == 25


def test_delete_removes_the_schedule(api: httpx.Client) -> None:
    created = create(api)
    response = api.delete(f"/schedules/{created['id']}")
    assert response.status_code == 200
    assert response.json().keys() == {"success", "message"}
    assert response.json()["success"] is True
    assert isinstance(response.json()["message"], str)
    assert api.get(f"/schedules/{created['id']}").status_code == 404
    assert created not in api.get("/schedules").json()["schedules"]


def test_new_schedule_has_an_empty_history(api: httpx.Client) -> None:
    response = api.get(f"/schedules/{create(api)['id']}/history")
    assert response.status_code == 200
    assert response.json() == {"executions": [], "total": 0, "limit": 20, "offset": 0}


def test_history_has_20_runs_by_default_newest_first(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    record(kubectl, created, *(run(number, "Completed") for number in range(60)))
    path = f"/schedules/{created['id']}/history"
    first = api.get(path).json()
    assert (first["total"], first["limit"], first["offset"]) == (60, 20, 0)
    times = [entry["started_at"] for entry in first["executions"]]
    assert len(times) == 20
    assert times == sorted(times, reverse=True)
    assert first["executions"][0]["execution_id"] == "run-59"
    later = api.get(path, params={"limit": 50, "offset": 40}).json()
    assert (later["total"], later["limit"], later["offset"]) == (60, 50, 40)
    assert [entry["execution_id"] for entry in later["executions"]] == [
        f"run-{number}" for number in range(19, -1, -1)
    ]
    assert api.get(path, params={"offset": 60}).json()["executions"] == []


@pytest.mark.parametrize("limit", [1, 100])
def test_limit_of_the_history_may_have_its_bounds(api: httpx.Client, limit: int) -> None:
    response = api.get(f"/schedules/{create(api)['id']}/history", params={"limit": limit})
    assert (response.status_code, response.json()["limit"]) == (200, limit)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "limit=many"])
def test_parameter_beyond_its_bounds_is_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"/schedules/{create(api)['id']}/history?{query}").status_code == 422


def test_completed_execution_has_the_members_of_the_seed(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    created = create(api)
    end = f"{START + timedelta(seconds=7):%Y-%m-%dT%H:%M:%SZ}"
    record(kubectl, created, run(0, "Completed", completionTime=end, bytes=11, attempts=2))
    (entry,) = api.get(f"/schedules/{created['id']}/history").json()["executions"]
    assert entry.keys() >= EXECUTION_FIELDS
    assert (entry["execution_id"], entry["schedule_id"]) == ("run-0", created["id"])
    assert (time(entry["started_at"]), time(entry["completed_at"])) == (
        START,
        START + timedelta(seconds=7),
    )
    assert (entry["status"], entry["success"], entry["error_message"]) == ("completed", True, None)
    assert (entry["duration"], entry["content_size"], entry["attempt"]) == (7, 11, 2)


def test_failed_execution_says_why(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    end = f"{START + timedelta(seconds=50):%Y-%m-%dT%H:%M:%SZ}"
    failure = {
        "completionTime": end,
        "attempts": 3,
        "reason": "HTTPStatus",
        "message": "It was 500.",
    }
    record(kubectl, created, run(0, "Failed", **failure))
    (entry,) = api.get(f"/schedules/{created['id']}/history").json()["executions"]
    assert (entry["status"], entry["success"]) == ("failed", False)
    assert (entry["error_message"], entry["attempt"]) == ("It was 500.", 3)


@pytest.mark.parametrize("state", ["Pending", "Running"])
def test_active_execution_has_no_outcome(api: httpx.Client, kubectl: Kubectl, state: str) -> None:
    created = create(api)
    record(kubectl, created, run(0, state, attempts=0))
    (entry,) = api.get(f"/schedules/{created['id']}/history").json()["executions"]
    assert (entry["status"], entry["attempt"]) == (state.lower(), 1)
    assert (entry["completed_at"], entry["duration"], entry["success"]) == (None, None, None)


@pytest.mark.parametrize(
    "expression", ["", "nonsense", "* * * *", "61 * * * *", "* * * * * *", "@every 1m"]
)
def test_invalid_cron_expression_is_a_400(api: httpx.Client, expression: str) -> None:
    response = api.post("/schedules", json={**NEW, "cron_expression": expression})
    assert response.status_code == 400
    assert detail(response)["error_type"] == "invalid_cron_expression"


@pytest.mark.parametrize("schedule_id", ["3fa85f64-5717-4562-b3fc-2c963f66afa6", "team.nothing"])
def test_unknown_schedule_is_a_404(api: httpx.Client, schedule_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/history")):
        response = api.request(method, f"/schedules/{schedule_id}{path}")
        assert response.status_code == 404
        assert detail(response)["error_type"] == "schedule_not_found"


@pytest.mark.parametrize("missing", ["name", "url", "cron_expression"])
def test_missing_member_is_refused(api: httpx.Client, missing: str) -> None:
    body = {name: value for name, value in NEW.items() if name != missing}
    assert api.post("/schedules", json=body).status_code == 422


def test_key_is_accepted_in_either_header(api: httpx.Client) -> None:
    del api.headers["X-API-Key"]
    assert api.get("/schedules").status_code == 401
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        assert api.get("/schedules", headers=headers).status_code == 200
    for headers in ({"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
        assert api.get("/schedules", headers=headers).status_code == 401


def test_run_has_three_retries_and_excludes_other_runs(api: httpx.Client, kubectl: Kubectl) -> None:
    spec = kubectl.get("dls", create(api)["resource"])["spec"]
    assert (spec["backoffLimit"], spec["concurrencyPolicy"]) == (3, "Forbid")


def test_tick_that_is_a_minute_late_still_runs(api: httpx.Client, kubectl: Kubectl) -> None:
    spec = kubectl.get("dls", create(api)["resource"])["spec"]
    assert spec["startingDeadlineSeconds"] >= 60


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "169.254.169.254", "[::1]"])
def test_private_address_does_not_fail_the_request(api: httpx.Client, host: str) -> None:
    assert create(api, url=f"http://{host}/x")["url"] == f"http://{host}/x"


def test_limit_can_be_a_hundred_requests_a_minute(start_api: StartApi) -> None:
    api = start_api(key=KEY, rate_limit="100")
    responses = [api.get("/cron/preview?expr=@daily") for _ in range(100)]
    assert {response.status_code for response in responses} == {200}

    def refused() -> httpx.Response | None:
        """Some more requests are allowed, because the limit refills in the meantime."""
        response = api.get("/cron/preview?expr=@daily")
        return response if response.status_code != 200 else None

    last = wait_for("the limit", refused, every=0)
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert detail(last)["error_type"] == "rate_limit_exceeded"


def test_requests_without_the_cluster_are_a_503(api: httpx.Client, cluster: LocalCluster) -> None:
    cluster.signal("kube-apiserver", signal.SIGKILL)
    try:
        for response in (api.get("/schedules"), api.post("/schedules", json=NEW)):
            assert response.status_code == 503
            assert detail(response)["error_type"]
    finally:
        cluster.restart("kube-apiserver")
