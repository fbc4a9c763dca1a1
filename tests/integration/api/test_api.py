"""The seed API's calls, over HTTP, on a real control plane."""

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import StartApi
from tests.support.kubectl import Kubectl
from tests.support.result_reports import REPORT, create
from tests.support.schedules import schedule
from tools.cluster import LocalCluster


def test_a_schedule_from_birth_to_death(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api, headers={"Accept": "text/csv"})
    assert made["id"] == f"{kubectl.namespace}.daily-report"
    assert made | REPORT == made
    assert (made["enabled"], made["format"], made["headers"]) == (
        True,
        "text",
        {"Accept": "text/csv"},
    )
    assert made["next_run_time"].endswith("T02:00:00Z")
    spec = kubectl.get("dls", "daily-report")["spec"]
    assert spec["schedule"] == "0 2 * * *"
    assert api.get(f"/schedules/{made['id']}").json() == made
    listed = api.get("/schedules").json()
    assert made in listed["schedules"]
    assert listed["total"] == len(listed["schedules"])
    deleted = api.delete(f"/schedules/{made['id']}")
    assert (deleted.status_code, deleted.json()["success"]) == (200, True)
    assert kubectl.get("dls", "daily-report") is None
    assert api.delete(f"/schedules/{made['id']}").status_code == 404


def test_two_of_one_name_are_two(api: httpx.Client) -> None:
    first, second = create(api), create(api)
    assert first["id"] != second["id"]
    assert first["name"] == second["name"] == "Daily report"


def test_location_leads_to_the_schedule(api: httpx.Client) -> None:
    answer = api.post("/schedules", json=REPORT)
    assert api.get(answer.headers["location"]).json()["id"] == answer.json()["id"]


def test_what_kubectl_made_is_there_at_once(api: httpx.Client, kubectl: Kubectl) -> None:
    kubectl.apply(schedule("by-hand", suspend=True))
    shown = api.get(f"/schedules/{kubectl.namespace}.by-hand").json()
    assert (shown["name"], shown["enabled"], shown["next_run_time"]) == ("by-hand", False, None)


def test_history_in_pages(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    assert api.get(f"/schedules/{made['id']}/history").json() == {
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
    first = api.get(f"/schedules/{made['id']}/history").json()
    assert (first["total"], len(first["executions"])) == (30, 20)
    entry = first["executions"][0]
    assert entry["execution_id"] == "run-00"
    assert entry["schedule_id"] == made["id"]
    assert (entry["status"], entry["duration"], entry["content_size"]) == ("completed", 5, 7)
    rest = api.get(f"/schedules/{made['id']}/history?limit=100&offset=20").json()
    assert [e["execution_id"] for e in rest["executions"]] == [r["id"] for r in runs[20:]]
    for bad in ("limit=0", "limit=101", "offset=-1", "limit=x"):
        assert api.get(f"/schedules/{made['id']}/history?{bad}").status_code == 422


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
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
def test_bad_input_is_told_what_to_write(
    api: httpx.Client, change: dict[str, Any], status: int, sentence: str
) -> None:
    answer = api.post("/schedules", json={**REPORT, **change})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert detail["success"] is False
    assert sentence in detail["error"]
    assert (detail["error_type"] == "invalid_cron_expression") == (status == 400)


@pytest.mark.parametrize("bad", ["nothing", "no.such", "a.b%2F..%2Fc", "%00.x"])
def test_an_unknown_id(api: httpx.Client, bad: str) -> None:
    for path in (f"/schedules/{bad}", f"/schedules/{bad}/history"):
        answer = api.get(path)
        assert answer.status_code == 404
    assert api.get("/schedules/no.such").json()["detail"]["error_type"] == "schedule_not_found"


def test_rubbish_is_no_server_error(api: httpx.Client) -> None:
    assert api.post("/schedules", content=b"{").status_code == 422
    assert api.post("/schedules", content=b"[]").status_code == 422
    assert api.put("/schedules").status_code == 405
    assert api.get("/nowhere").status_code == 404


def test_a_header_value_is_not_echoed(api: httpx.Client) -> None:
    secret = "s3cr3t\n"
    answer = api.post("/schedules", json={**REPORT, "headers": {"Authorization": secret}})
    assert answer.status_code == 422
    assert "s3cr3t" not in answer.text


def test_without_the_key_nobody_gets_in(api: httpx.Client) -> None:
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        del api.headers["X-API-Key"]
        for method, path in (
            ("GET", "/schedules"),
            ("POST", "/schedules"),
            ("GET", "/schedules/a.b"),
        ):
            answer = api.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        api.headers["X-API-Key"] = "x"
    assert api.get("/readyz").status_code == 200


def test_the_key_as_a_bearer_token(api: httpx.Client) -> None:
    key = api.headers.pop("X-API-Key")
    assert api.get("/schedules", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_without_a_key_it_listens_on_loopback_only(start_api: StartApi) -> None:
    client = start_api(host="0.0.0.0")
    assert client.get("/schedules").status_code == 200
    port = client.base_url.port
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in listening.splitlines() if f":{port} " in line)
    assert f"127.0.0.1:{port}" in line


def test_without_the_cluster_it_says_so(api: httpx.Client, cluster: LocalCluster) -> None:
    cluster.signal("kube-apiserver", signal.SIGKILL)
    answer = api.get("/schedules")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert api.get("/readyz").status_code == 503
    assert api.get("/livez").status_code == 200
    cluster.restart("kube-apiserver")
    assert api.get("/schedules").status_code == 200


def test_the_key_is_made_once(cluster: LocalCluster, kubectl: Kubectl, tmp_path: Path) -> None:
    def make(file: Path) -> str:
        command = [sys.executable, "-m", "download_api", "make-key", f"--file={file}"]
        subprocess.run(
            [*command, f"--namespace={kubectl.namespace}", "--secret=key"],
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
            check=True,
        )
        return file.read_text()

    first, second = make(tmp_path / "a"), make(tmp_path / "b")
    stored = kubectl.get("secret", "key")["data"]["api-key"]
    assert first == second == base64.b64decode(stored).decode()
    assert len(first) >= 32
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_a_secret_without_a_key_is_told_so(
    cluster: LocalCluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    def make() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "download_api", "make-key", f"--file={tmp_path / 'key'}"]
        return subprocess.run(
            [*command, f"--namespace={kubectl.namespace}", "--secret=key"],
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )

    for literals in ((), ("--from-literal=key=x",), ("--from-literal=api-key=",)):
        kubectl("create", "secret", "generic", "key", *literals)
        refused = make()
        assert (refused.returncode, (tmp_path / "key").exists()) == (1, False)
        assert refused.stderr == (
            f"The Secret key of the namespace {kubectl.namespace} has no api-key: write one there, "
            "or delete the Secret, and one is made.\n"
        )
        kubectl("delete", "secret", "key")
    assert make().returncode == 0
    assert (tmp_path / "key").read_text()


def test_by_hand() -> None:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "download_api", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "DOWNLOAD_API_KEY_FILE" in run("--help").stdout
    refused = run(DOWNLOAD_API_PORT="0")
    assert refused.returncode == 2
    assert "from 1 to 65535" in refused.stderr
