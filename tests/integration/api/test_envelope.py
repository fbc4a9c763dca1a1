"""Around every request: ids, audit, limits of size, time and number."""

import json
import os
import re
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from download_api.auth.guard import FAILED_LOGINS_LIMIT
from download_api.server.bodies import MAX_BODY_BYTES
from download_api.server.protocol import REQUEST_SECONDS
from tests.support.api_process import KEY, StartApi, is_alive, pid_of
from tests.support.api_schedules import create, record, run
from tests.support.callers import Callers
from tools.cluster.kubectl import Kubectl, wait_for

NEW = {"name": "report", "url": "https://example.com/r.csv", "cron_expression": "0 2 * * *"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def wait_for_audit(tmp_path: Path, length: int) -> list[dict[str, Any]]:
    """Return the audit records, of which there are `length`.

    Each is written after its response was sent.
    """

    def read() -> list[str] | None:
        lines = (tmp_path / "api-0.log").read_text().splitlines()
        records = [line for line in lines if "download_api.audit" in line]
        return records if len(records) >= length else None

    records = wait_for("the audit", read)
    return [json.loads(record.split(": ", 1)[1]) for record in records]


def address(api: httpx.Client) -> tuple[str, int]:
    return api.base_url.host, api.base_url.port or 80


def test_request_id_is_returned_and_recorded_on_the_resource(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    headers = {"X-Request-ID": "mine-1", "traceparent": TRACE}
    created = api.post("/schedules", json=NEW, headers=headers)
    assert created.headers["X-Request-ID"] == "mine-1"

    def annotations() -> dict[str, str]:
        stored: dict[str, str] = kubectl.get("dls", "report")["metadata"]["annotations"]
        return stored

    assert annotations()["downloads.dev/request-id"] == "mine-1"
    assert annotations()["downloads.dev/traceparent"] == TRACE
    path = created.headers["Location"]
    for request_id, response in (
        ("mine-2", api.patch(path, json={"enabled": False}, headers={"X-Request-ID": "mine-2"})),
        ("mine-3", api.post(f"{path}/run", headers={"X-Request-ID": "mine-3"})),
        ("mine-4", api.post(f"{path}/resume", headers={"X-Request-ID": "mine-4"})),
    ):
        assert response.is_success
        assert response.headers["X-Request-ID"] == request_id
    assert annotations()["downloads.dev/request-id"] == "mine-4"
    assert "downloads.dev/traceparent" not in annotations()
    traced = {"X-Request-ID": "mine-5", "traceparent": TRACE}
    api.post(f"{path}/suspend", headers=traced)
    assert annotations()["downloads.dev/traceparent"] == TRACE
    api.put(path, json=NEW)
    assert "downloads.dev/traceparent" not in annotations()


@pytest.mark.parametrize("request_id", [b"", b"a b", b"x" * 129, b"a\tb", "ü".encode()])
def test_malformed_request_id_is_replaced(api: httpx.Client, request_id: bytes) -> None:
    response = api.get("/schedules", headers={b"X-Request-ID": request_id})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_each_write_has_one_audit_record_without_secrets(api: httpx.Client, tmp_path: Path) -> None:
    secret = {**NEW, "headers": {"Authorization": "Bearer s3cret"}}
    path = api.post("/schedules", json=secret).headers["Location"]
    api.get(path)
    api.delete(path)
    api.delete(path)
    api.post("/schedules", json=NEW, headers={"X-API-Key": "s3cret"})
    records = wait_for_audit(tmp_path, 4)
    assert [(record["method"], record["status"]) for record in records] == [
        ("POST", 201),
        ("DELETE", 200),
        ("DELETE", 404),
        ("POST", 401),
    ]
    assert records[1]["schedule"] == path.rpartition("/")[2]
    assert records[1]["route"] == "/schedules/{schedule_id}"
    assert [bool(record["caller"]) for record in records] == [True, True, True, False]
    log = (tmp_path / "api-0.log").read_text()
    assert "s3cret" not in log
    assert KEY not in log


def test_reading_files_logs_and_events_is_audited(
    api: httpx.Client, kubectl: Kubectl, tmp_path: Path
) -> None:
    created = create(api)
    record(kubectl, created, run(1, "Completed"))
    path = f"/schedules/{created['id']}/history/run-1"
    api.get(f"{path}/log")
    api.get(f"{path}/content")
    api.head(f"{path}/content")
    with api.stream("GET", "/events") as events:
        assert events.status_code == 200
    for unaudited in ("/schedules", path, "/docs", "/no/such/route"):
        api.get(unaudited)
    api.get("/events", headers={"X-API-Key": "wrong"})

    records = wait_for_audit(tmp_path, 6)

    expected = [
        ("POST", 201, None),
        ("GET", 404, "run-1"),
        ("GET", 404, "run-1"),
        ("HEAD", 404, "run-1"),
        ("GET", 200, None),
        ("GET", 401, None),
    ]
    assert [(r["method"], r["status"], r["execution"]) for r in records] == expected
    assert {r["schedule"] for r in records[1:4]} == {created["id"]}
    assert [r["caller"] for r in records] == ["api-key"] * 5 + [None]


def test_audit_names_refused_callers(start_api: StartApi, tmp_path: Path, callers: Callers) -> None:
    api = start_api(auth="kubernetes", rate_limit="1")
    path = f"/schedules/{callers.report}"
    refused = [api.delete(path, headers=callers.headers["reader"]).status_code for _ in range(2)]
    refused.append(api.post("/schedules", json=NEW, headers=callers.headers["nobody"]).status_code)
    assert refused == [403, 429, 403]
    records = wait_for_audit(tmp_path, 3)
    accounts = [record["caller"].rpartition(":")[2] for record in records]
    assert accounts == ["reader", "reader", "nobody"]


def test_slash_at_the_end_of_a_path_is_ignored(api: httpx.Client) -> None:
    """A redirect would lead to a Host that the caller chose, and to plain http behind a proxy."""
    created = api.post("/schedules/", json=NEW, headers={"Host": "elsewhere.example"})
    assert created.status_code == 201
    path = created.headers["Location"]
    assert api.get(f"{path}/").json() == api.get(path).json()
    assert api.get(f"{path}/history//").json()["total"] == 0
    assert api.get("/schedules/?limit=1").json().keys() == {"schedules", "total"}
    assert api.get("//").status_code == 404


def test_body_above_the_limit_is_refused(api: httpx.Client) -> None:
    padding = MAX_BODY_BYTES - len(json.dumps(NEW))
    body = json.dumps(NEW) + " " * padding
    headers = {"Content-Type": "application/json"}
    assert api.post("/schedules?dry_run=true", content=body, headers=headers).status_code == 201
    refused = api.post("/schedules?dry_run=true", content=body + " ", headers=headers)
    assert refused.status_code == 413
    assert refused.json()["detail"]["error_type"] == "body_too_large"


def test_body_without_a_length_has_the_same_limit(api: httpx.Client) -> None:
    response = api.post(
        "/schedules",
        content=iter([b" " * 65536] * 17),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 413
    assert response.json()["detail"]["error_type"] == "body_too_large"


def test_rate_limit_refuses_requests_and_says_when_to_come_back(
    start_api: StartApi,
) -> None:
    api = start_api(key=KEY, rate_limit="5")
    responses = [api.get("/cron/preview?expr=0+2+*+*+*") for _ in range(6)]
    assert [response.status_code for response in responses] == [200] * 5 + [429]
    assert responses[0].headers["RateLimit-Policy"] == '"default";q=5;w=60'
    assert responses[0].headers["RateLimit"].startswith('"default";r=4;')
    assert int(responses[5].headers["Retry-After"]) in range(1, 13)
    assert responses[5].json()["detail"]["error_type"] == "rate_limit_exceeded"
    assert is_alive(api)


def test_guessing_keys_is_limited_by_address(start_api: StartApi, tmp_path: Path) -> None:
    api = start_api(key=KEY)

    def guess(number: int) -> int:
        elsewhere = {"X-Forwarded-For": f"10.0.0.{number % 250}"}
        return api.delete(
            "/schedules/a.b", headers={"X-API-Key": str(number), **elsewhere}
        ).status_code

    statuses = [guess(0)]
    while statuses[-1] == 401 and len(statuses) < 1000:  # five more are allowed each second
        statuses.append(guess(len(statuses)))
    assert len(statuses) > FAILED_LOGINS_LIMIT
    assert statuses[-1] == 429
    records = wait_for_audit(tmp_path, len(statuses))
    assert {record["client"] for record in records} == {"127.0.0.1"}


def test_address_of_the_caller_comes_from_a_trusted_proxy(
    start_api: StartApi, tmp_path: Path
) -> None:
    api = start_api(trusted_proxies="127.0.0.0/8")
    api.delete("/schedules/a.b", headers={"X-Forwarded-For": "198.51.100.7"})
    (record,) = wait_for_audit(tmp_path, 1)
    assert record["client"] == "198.51.100.7"


def test_request_that_never_ends_is_aborted(api: httpx.Client) -> None:
    started_at = time.monotonic()
    with (
        socket.create_connection(address(api)) as first_request,
        socket.create_connection(address(api)) as second_request,
    ):
        second_request.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"404 Not Found" in second_request.recv(4096, socket.MSG_PEEK)
        time.sleep(0.5)
        second_request.recv(4096)
        for connection in (first_request, second_request):
            connection.settimeout(REQUEST_SECONDS + 15)
            connection.sendall(b"POST /schedules HTTP/1.1\r\nHost: x\r\nX-A: ")
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(1):
                try:
                    first_request.sendall(b"a")
                    second_request.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        for connection in (first_request, second_request):
            with suppress(ConnectionError):
                assert connection.recv(4096) == b""
        stop.set()
        thread.join()
    assert REQUEST_SECONDS - 1 < time.monotonic() - started_at < REQUEST_SECONDS + 10


def test_request_that_has_started_is_finished_after_sigterm(
    start_api: StartApi, kubectl: Kubectl
) -> None:
    """SIGTERM comes while the body is still on its way."""
    api = start_api(key=KEY, namespace=kubectl.namespace)
    body = json.dumps(NEW).encode()
    head = (
        f"POST /schedules HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(address(api)) as connection:
        connection.settimeout(20)
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.5)
        os.kill(pid_of(api), signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body[10:])
        assert b"201 Created" in connection.recv(65536)
    wait_for("the schedule", lambda: kubectl.list("dls"))
