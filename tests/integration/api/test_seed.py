"""The contract of the seed API, line by line: what its callers do works unchanged.

Where we differ on purpose: `id` is `{namespace}.{name}`, which callers may treat as any text;
POST answers 201 with Location; a member that nobody knows is refused; a private address fails the
run (the operator's configuration may allow it) and not the request; Kubernetes' own growing pauses
stand between the attempts, of which there are as many as `backoff_limit` says and one; the history
goes by number (`history_limit`) and not by age; a tick is late after `starting_deadline_seconds`;
the limit of requests a minute is the operator's choice (`DOWNLOAD_API_RATE_LIMIT`).
"""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import KEY, StartApi
from tests.support.kubectl import Kubectl, wait_for
from tests.support.result_reports import START, record, run
from tools.cluster import LocalCluster

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


def make(api: httpx.Client, **members: Any) -> dict[str, Any]:
    answer = api.post("/schedules", json={**NEW, **members})
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made


def time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    assert moment.tzinfo
    return moment


def detail(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["detail"]
    assert found["success"] is False
    assert isinstance(found["error"], str)
    assert found["error"]
    return found


def test_post_takes_every_member_and_returns_it(api: httpx.Client) -> None:
    members = {
        **NEW,
        "format": "markdown",
        "headers": {"User-Agent": "seed/1", "Authorization": "Bearer of-the-site"},
        "enabled": False,
    }
    made = make(api, **members)
    assert made.keys() >= FIELDS
    assert made | members == made


def test_the_defaults(api: httpx.Client) -> None:
    made = make(api)
    assert (made["format"], made["headers"], made["enabled"]) == ("text", {}, True)


def test_headers_may_be_null(api: httpx.Client) -> None:
    """The seed's default, which clients send as it is."""
    made = make(api, headers=None)
    assert made["headers"] == {}
    where = f"/schedules/{made['id']}"
    assert api.patch(where, json={"headers": {"Accept": "text/csv"}}).json()["headers"]
    assert api.put(where, json={**NEW, "headers": None}).json()["headers"] == {}


@pytest.mark.parametrize("shape", ["text", "html", "markdown", "pdf", "json", "raw"])
def test_every_format(api: httpx.Client, kubectl: Kubectl, shape: str) -> None:
    made = make(api, format=shape)
    assert made["format"] == shape
    assert kubectl.get("dls", made["resource"])["spec"]["format"] == shape


def test_the_id_leads_back_to_the_same_object(api: httpx.Client) -> None:
    made = make(api)
    assert isinstance(made["id"], str)
    assert make(api)["id"] != made["id"]
    answer = api.get(f"/schedules/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, made)


def test_the_times(api: httpx.Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    made = make(api)
    assert before <= time(made["created_at"]) <= datetime.now(UTC)
    following = time(made["next_run_time"])
    assert following > datetime.now(UTC)
    assert (following.hour, following.minute) == (2, 30)
    assert following.isoweekday() <= 5


def test_what_is_not_enabled_does_not_run(api: httpx.Client, kubectl: Kubectl) -> None:
    made = make(api, enabled=False)
    assert (made["enabled"], made["next_run_time"]) == (False, None)
    assert kubectl.get("dls", made["resource"])["spec"]["suspend"] is True


def test_the_list(api: httpx.Client) -> None:
    made = [make(api, name=name) for name in ("b", "a", "c")]
    listed = api.get("/schedules")
    assert listed.status_code == 200
    assert listed.json().keys() == {"schedules", "total"}
    assert listed.json()["total"] == len(listed.json()["schedules"])
    assert all(one in listed.json()["schedules"] for one in made)


def test_the_list_is_all_of_them(api: httpx.Client, kubectl: Kubectl) -> None:
    for number in range(25):
        make(api, name=f"many-{number}")
    listed = api.get("/schedules").json()["schedules"]
    assert sum(one["namespace"] == kubectl.namespace for one in listed) == 25


def test_delete(api: httpx.Client) -> None:
    made = make(api)
    answer = api.delete(f"/schedules/{made['id']}")
    assert answer.status_code == 200
    assert answer.json().keys() == {"success", "message"}
    assert answer.json()["success"] is True
    assert isinstance(answer.json()["message"], str)
    assert api.get(f"/schedules/{made['id']}").status_code == 404
    assert made not in api.get("/schedules").json()["schedules"]


def test_the_history_of_a_new_schedule(api: httpx.Client) -> None:
    answer = api.get(f"/schedules/{make(api)['id']}/history")
    assert answer.status_code == 200
    assert answer.json() == {"executions": [], "total": 0, "limit": 20, "offset": 0}


def test_the_history_is_20_unless_told_otherwise_newest_first(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    made = make(api)
    record(kubectl, made, *(run(number, "Completed") for number in range(60)))
    where = f"/schedules/{made['id']}/history"
    first = api.get(where).json()
    assert (first["total"], first["limit"], first["offset"]) == (60, 20, 0)
    times = [entry["started_at"] for entry in first["executions"]]
    assert len(times) == 20
    assert times == sorted(times, reverse=True)
    assert first["executions"][0]["execution_id"] == "run-59"
    later = api.get(where, params={"limit": 50, "offset": 40}).json()
    assert (later["total"], later["limit"], later["offset"]) == (60, 50, 40)
    assert [entry["execution_id"] for entry in later["executions"]] == [
        f"run-{number}" for number in range(19, -1, -1)
    ]
    assert api.get(where, params={"offset": 60}).json()["executions"] == []


@pytest.mark.parametrize("limit", [1, 100])
def test_the_bounds_of_the_history(api: httpx.Client, limit: int) -> None:
    answer = api.get(f"/schedules/{make(api)['id']}/history", params={"limit": limit})
    assert (answer.status_code, answer.json()["limit"]) == (200, limit)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "limit=many"])
def test_beyond_the_bounds_of_the_history(api: httpx.Client, query: str) -> None:
    assert api.get(f"/schedules/{make(api)['id']}/history?{query}").status_code == 422


def test_an_execution_that_went_well(api: httpx.Client, kubectl: Kubectl) -> None:
    made = make(api)
    end = f"{START + timedelta(seconds=7):%Y-%m-%dT%H:%M:%SZ}"
    record(kubectl, made, run(0, "Completed", completionTime=end, bytes=11, attempts=2))
    (entry,) = api.get(f"/schedules/{made['id']}/history").json()["executions"]
    assert entry.keys() >= EXECUTION_FIELDS
    assert (entry["execution_id"], entry["schedule_id"]) == ("run-0", made["id"])
    assert (time(entry["started_at"]), time(entry["completed_at"])) == (
        START,
        START + timedelta(seconds=7),
    )
    assert (entry["status"], entry["success"], entry["error_message"]) == ("completed", True, None)
    assert (entry["duration"], entry["content_size"], entry["attempt"]) == (7, 11, 2)


def test_an_execution_that_failed(api: httpx.Client, kubectl: Kubectl) -> None:
    made = make(api)
    end = f"{START + timedelta(seconds=50):%Y-%m-%dT%H:%M:%SZ}"
    why = {"completionTime": end, "attempts": 3, "reason": "HTTPStatus", "message": "It was 500."}
    record(kubectl, made, run(0, "Failed", **why))
    (entry,) = api.get(f"/schedules/{made['id']}/history").json()["executions"]
    assert (entry["status"], entry["success"]) == ("failed", False)
    assert (entry["error_message"], entry["attempt"]) == ("It was 500.", 3)


@pytest.mark.parametrize("state", ["Pending", "Running"])
def test_an_execution_that_is_not_over(api: httpx.Client, kubectl: Kubectl, state: str) -> None:
    made = make(api)
    record(kubectl, made, run(0, state, attempts=0))
    (entry,) = api.get(f"/schedules/{made['id']}/history").json()["executions"]
    assert (entry["status"], entry["attempt"]) == (state.lower(), 1)
    assert (entry["completed_at"], entry["duration"], entry["success"]) == (None, None, None)


@pytest.mark.parametrize(
    "bad", ["", "nonsense", "* * * *", "61 * * * *", "* * * * * *", "@every 1m"]
)
def test_a_bad_cron_expression(api: httpx.Client, bad: str) -> None:
    answer = api.post("/schedules", json={**NEW, "cron_expression": bad})
    assert answer.status_code == 400
    assert detail(answer)["error_type"] == "invalid_cron_expression"


@pytest.mark.parametrize("unknown", ["3fa85f64-5717-4562-b3fc-2c963f66afa6", "team.nothing"])
def test_an_unknown_schedule(api: httpx.Client, unknown: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/history")):
        answer = api.request(method, f"/schedules/{unknown}{path}")
        assert answer.status_code == 404
        assert detail(answer)["error_type"] == "schedule_not_found"


@pytest.mark.parametrize("missing", ["name", "url", "cron_expression"])
def test_a_member_that_must_be_there(api: httpx.Client, missing: str) -> None:
    body = {name: value for name, value in NEW.items() if name != missing}
    assert api.post("/schedules", json=body).status_code == 422


def test_the_key_in_either_header(api: httpx.Client) -> None:
    del api.headers["X-API-Key"]
    assert api.get("/schedules").status_code == 401
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        assert api.get("/schedules", headers=headers).status_code == 200
    for headers in ({"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
        assert api.get("/schedules", headers=headers).status_code == 401


def test_three_retries_and_no_second_run_beside_the_first(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    spec = kubectl.get("dls", make(api)["resource"])["spec"]
    assert (spec["backoffLimit"], spec["concurrencyPolicy"]) == (3, "Forbid")


def test_a_minute_late_is_not_too_late(api: httpx.Client, kubectl: Kubectl) -> None:
    spec = kubectl.get("dls", make(api)["resource"])["spec"]
    assert spec["startingDeadlineSeconds"] >= 60


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "169.254.169.254", "[::1]"])
def test_a_private_address_is_no_matter_of_the_request(api: httpx.Client, host: str) -> None:
    assert make(api, url=f"http://{host}/x")["url"] == f"http://{host}/x"


def test_a_hundred_requests_a_minute_can_be_the_limit(start_api: StartApi, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    api = start_api(key_file=str(tmp_path / "key"), rate_limit="100")
    api.headers["X-API-Key"] = KEY
    answers = [api.get("/cron/preview?expr=@daily") for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}

    def refused() -> httpx.Response | None:
        """As many more as were allowed again meanwhile come before it."""
        answer = api.get("/cron/preview?expr=@daily")
        return answer if answer.status_code != 200 else None

    last = wait_for("the limit", refused, every=0)
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert detail(last)["error_type"] == "rate_limit_exceeded"


def test_without_what_it_keeps_schedules_in(api: httpx.Client, cluster: LocalCluster) -> None:
    cluster.signal("kube-apiserver", signal.SIGKILL)
    try:
        for answer in (api.get("/schedules"), api.post("/schedules", json=NEW)):
            assert answer.status_code == 503
            assert detail(answer)["error_type"]
    finally:
        cluster.restart("kube-apiserver")
