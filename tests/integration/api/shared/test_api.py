"""The seed API's calls, over HTTP, on a real control plane."""

import os
import signal
import subprocess
from typing import Any

import httpx
import pytest

from tests.support import forked
from tests.support.api_process import StartApi
from tests.support.api_schedules import REPORT, create
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl


def test_schedule_is_created_listed_and_deleted(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api, headers={"Accept": "text/csv"})
    assert created["id"] == f"{kubectl.namespace}.daily-report"
    assert created | REPORT == created
    assert (created["enabled"], created["format"], created["headers"]) == (
        True,
        "text",
        {"Accept": "text/csv"},
    )
    assert created["next_run_time"].endswith("T02:00:00Z")
    spec = kubectl.get("dls", "daily-report")["spec"]
    assert spec["schedule"] == "0 2 * * *"
    assert api.get(f"/schedules/{created['id']}").json() == created
    listed = api.get("/schedules").json()
    assert created in listed["schedules"]
    assert listed["total"] == len(listed["schedules"])
    deleted = api.delete(f"/schedules/{created['id']}")
    assert (deleted.status_code, deleted.json()["success"]) == (200, True)
    assert kubectl.get("dls", "daily-report") is None
    assert api.delete(f"/schedules/{created['id']}").status_code == 404


def test_schedules_may_have_the_same_name(api: httpx.Client) -> None:
    first, second = create(api), create(api)
    assert first["id"] != second["id"]
    assert first["name"] == second["name"] == "Daily report"


def test_location_of_a_new_schedule_leads_to_it(api: httpx.Client) -> None:
    response = api.post("/schedules", json=REPORT)
    assert api.get(response.headers["location"]).json()["id"] == response.json()["id"]


def test_schedule_that_kubectl_created_is_visible_at_once(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    kubectl.apply(schedule("by-hand", suspend=True))
    shown = api.get(f"/schedules/{kubectl.namespace}.by-hand").json()
    assert shown["name"] == "by-hand"
    assert (shown["enabled"], shown["next_run_time"]) == (False, None)


def test_history_has_pages(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    assert api.get(f"/schedules/{created['id']}/history").json() == {
        "executions": [],
        "total": 0,
        "limit": 20,
        "offset": 0,
    }
    runs = [
        {
            "id": f"run-{number:02d}",
            "job": f"daily-report-{number}",
            "trigger": "Schedule",
            "state": "Completed",
            "startTime": "2026-11-23T02:00:00Z",
            "completionTime": "2026-11-23T02:00:05Z",
            "attempts": 1,
            "bytes": 7,
        }
        for number in range(30)
    ]
    status = {"status": {"history": runs}}
    kubectl.patch("dls", "daily-report", status, "--subresource=status")
    first = api.get(f"/schedules/{created['id']}/history").json()
    assert (first["total"], len(first["executions"])) == (30, 20)
    entry = first["executions"][0]
    assert entry["execution_id"] == "run-00"
    assert entry["schedule_id"] == created["id"]
    assert (entry["status"], entry["duration"], entry["content_size"]) == ("completed", 5, 7)
    rest = api.get(f"/schedules/{created['id']}/history?limit=100&offset=20").json()
    assert [e["execution_id"] for e in rest["executions"]] == [r["id"] for r in runs[20:]]
    for bad in ("limit=0", "limit=101", "offset=-1", "limit=x"):
        assert api.get(f"/schedules/{created['id']}/history?{bad}").status_code == 422


@pytest.mark.parametrize(
    ("members", "status", "message"),
    [
        ({"cron_expression": "61 * * * *"}, 400, "minute"),
        ({"url": "ftp://example.com/x"}, 422, "must start with http:// or https://"),
        ({"history_limit": 101}, 422, "less than or equal to 100"),
        ({"destination": {"volume": {"claim_name": "a"}, "discard": {}}}, 422, "one member"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"namespace": "Not A Namespace"}, 422, "namespace"),
        ({"namespace": "does-not-exist"}, 404, "not found"),
        ({"name": ""}, 422, "name"),
    ],
)
def test_invalid_schedule_is_refused_with_what_to_write(
    api: httpx.Client, members: dict[str, Any], status: int, message: str
) -> None:
    response = api.post("/schedules", json={**REPORT, **members})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert detail["success"] is False
    assert message in detail["error"]
    assert (detail["error_type"] == "invalid_cron_expression") == (status == 400)


@pytest.mark.parametrize("schedule_id", ["nothing", "no.such", "a.b%2F..%2Fc", "%00.x"])
def test_unknown_id_is_a_404(api: httpx.Client, schedule_id: str) -> None:
    for path in (f"/schedules/{schedule_id}", f"/schedules/{schedule_id}/history"):
        response = api.get(path)
        assert response.status_code == 404
    assert api.get("/schedules/no.such").json()["detail"]["error_type"] == "schedule_not_found"


def test_malformed_requests_are_not_server_errors(api: httpx.Client) -> None:
    assert api.post("/schedules", content=b"{").status_code == 422
    assert api.post("/schedules", content=b"[]").status_code == 422
    assert api.put("/schedules").status_code == 405
    assert api.get("/nowhere").status_code == 404


def test_invalid_header_value_is_not_quoted(api: httpx.Client) -> None:
    secret = "s3cr3t\n"
    response = api.post("/schedules", json={**REPORT, "headers": {"Authorization": secret}})
    assert response.status_code == 422
    assert "s3cr3t" not in response.text


def test_request_without_the_key_is_refused(api: httpx.Client) -> None:
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        del api.headers["X-API-Key"]
        for method, path in (
            ("GET", "/schedules"),
            ("POST", "/schedules"),
            ("GET", "/schedules/a.b"),
        ):
            response = api.request(method, path, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        api.headers["X-API-Key"] = "x"


def test_key_is_accepted_as_a_bearer_token(api: httpx.Client) -> None:
    key = api.headers.pop("X-API-Key")
    assert api.get("/schedules", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_api_without_a_key_listens_on_loopback_only(start_api: StartApi) -> None:
    client = start_api(host="0.0.0.0")
    assert client.get("/schedules").status_code == 200
    port = client.base_url.port
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in listening.splitlines() if f":{port} " in line)
    assert f"127.0.0.1:{port}" in line


def test_api_is_unavailable_while_the_cluster_is_down(
    api: httpx.Client, cluster: LocalCluster
) -> None:
    cluster.signal("kube-apiserver", signal.SIGKILL)
    response = api.get("/schedules")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    cluster.restart("kube-apiserver")
    assert api.get("/schedules").status_code == 200


def test_command_line_has_help_and_refuses_wrong_settings() -> None:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ("-m", "download_api", *arguments)
        return forked.run(forked.API, command, env={**os.environ, **environment})

    assert "DOWNLOAD_API_KEY_FILE" in run("--help").stdout
    refused = run(DOWNLOAD_API_PORT="0")
    assert refused.returncode == 2
    assert "from 1 to 65535" in refused.stderr
