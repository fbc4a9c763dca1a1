"""What is around every request: ids, audit, limits of size, time and number."""

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

from download_api.auth.guard import STRANGERS_LIMIT
from download_api.server.middleware import MAX_BODY_BYTES
from download_api.server.protocol import REQUEST_SECONDS
from tests.integration.api.conftest import KEY, StartApi, pid_of
from tests.support.callers import People
from tests.support.kubectl import Kubectl, wait_for

NEW = {"name": "report", "url": "https://example.com/r.csv", "cron_expression": "0 2 * * *"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def audit(tmp_path: Path, length: int) -> list[dict[str, Any]]:
    """Return the lines, when there are so many: each is written after its answer was sent."""

    def written() -> list[str] | None:
        lines = (tmp_path / "api-0.log").read_text().splitlines()
        found = [line for line in lines if "download_api.audit" in line]
        return found if len(found) >= length else None

    lines = wait_for("the audit", written)
    return [json.loads(line.split(": ", 1)[1]) for line in lines]


def address(api: httpx.Client) -> tuple[str, int]:
    return api.base_url.host, api.base_url.port or 80


def test_a_request_keeps_its_id_and_the_resource_tells_it(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    headers = {"X-Request-ID": "mine-1", "traceparent": TRACE}
    made = api.post("/schedules", json=NEW, headers=headers)
    assert made.headers["X-Request-ID"] == "mine-1"

    def annotations() -> dict[str, str]:
        marks: dict[str, str] = kubectl.get("dls", "report")["metadata"]["annotations"]
        return marks

    assert annotations()["downloads.dev/request-id"] == "mine-1"
    assert annotations()["downloads.dev/traceparent"] == TRACE
    where = made.headers["Location"]
    for request_id, answer in (
        ("mine-2", api.patch(where, json={"enabled": False}, headers={"X-Request-ID": "mine-2"})),
        ("mine-3", api.post(f"{where}/run", headers={"X-Request-ID": "mine-3"})),
        ("mine-4", api.post(f"{where}/resume", headers={"X-Request-ID": "mine-4"})),
    ):
        assert answer.is_success
        assert answer.headers["X-Request-ID"] == request_id
    assert annotations()["downloads.dev/request-id"] == "mine-4"
    assert "downloads.dev/traceparent" not in annotations()
    traced = {"X-Request-ID": "mine-5", "traceparent": TRACE}
    api.post(f"{where}/suspend", headers=traced)
    assert annotations()["downloads.dev/traceparent"] == TRACE
    api.put(where, json=NEW)
    assert "downloads.dev/traceparent" not in annotations()


@pytest.mark.parametrize("request_id", [b"", b"a b", b"x" * 129, b"a\tb", "ü".encode()])
def test_an_id_that_is_none_is_replaced(api: httpx.Client, request_id: bytes) -> None:
    answer = api.get("/schedules", headers={b"X-Request-ID": request_id})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_each_write_is_one_line_of_audit_without_secrets(api: httpx.Client, tmp_path: Path) -> None:
    secret = {**NEW, "headers": {"Authorization": "Bearer s3cret"}}
    where = api.post("/schedules", json=secret).headers["Location"]
    api.get(where)
    api.delete(where)
    api.delete(where)
    api.post("/schedules", json=NEW, headers={"X-API-Key": "s3cret"})
    lines = audit(tmp_path, 4)
    assert [(line["method"], line["status"]) for line in lines] == [
        ("POST", 201),
        ("DELETE", 200),
        ("DELETE", 404),
        ("POST", 401),
    ]
    assert lines[1]["schedule"] == where.rpartition("/")[2]
    assert lines[1]["route"] == "/schedules/{schedule_id}"
    assert [bool(line["caller"]) for line in lines] == [True, True, True, False]
    log = (tmp_path / "api-0.log").read_text()
    assert "s3cret" not in log
    assert KEY not in log


def test_the_audit_names_who_was_refused(start_api: StartApi, tmp_path: Path, team: People) -> None:
    api = start_api(auth="kubernetes", rate_limit="1")
    where = f"/schedules/{team.report}"
    refused = [api.delete(where, headers=team.headers["reader"]).status_code for _ in range(2)]
    refused.append(api.post("/schedules", json=NEW, headers=team.headers["nobody"]).status_code)
    assert refused == [403, 429, 403]
    accounts = [line["caller"].rpartition(":")[2] for line in audit(tmp_path, 3)]
    assert accounts == ["reader", "reader", "nobody"]


def test_a_slash_at_the_end_leads_nowhere_else(api: httpx.Client) -> None:
    """No redirect: to plain http, behind a proxy with TLS, or to a Host that somebody made up."""
    made = api.post("/schedules/", json=NEW, headers={"Host": "elsewhere.example"})
    assert made.status_code == 201
    where = made.headers["Location"]
    assert api.get(f"{where}/").json() == api.get(where).json()
    assert api.get(f"{where}/history//").json()["total"] == 0
    assert api.get("/schedules/?limit=1").json().keys() == {"schedules", "total"}
    assert api.get("//").status_code == 404


def test_a_body_may_be_as_large_as_that(api: httpx.Client) -> None:
    padding = MAX_BODY_BYTES - len(json.dumps(NEW))
    body = json.dumps(NEW) + " " * padding
    head = {"Content-Type": "application/json"}
    assert api.post("/schedules?dry_run=true", content=body, headers=head).status_code == 201
    refused = api.post("/schedules?dry_run=true", content=body + " ", headers=head)
    assert refused.status_code == 413
    assert refused.json()["detail"]["error_type"] == "body_too_large"


def test_a_body_that_does_not_say_its_length_has_the_same_limit(api: httpx.Client) -> None:
    answer = api.post(
        "/schedules",
        content=iter([b" " * 65536] * 17),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.json()["detail"]["error_type"] == "body_too_large"


def test_requests_are_counted_by_caller(start_api: StartApi, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    api = start_api(key_file=str(file), rate_limit="5")
    answers = [
        api.get("/cron/preview?expr=0+2+*+*+*", headers={"X-API-Key": KEY}) for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=5;w=60'
    assert answers[0].headers["RateLimit"].startswith('"default";r=4;')
    assert int(answers[5].headers["Retry-After"]) in range(1, 13)
    assert answers[5].json()["detail"]["error_type"] == "rate_limit_exceeded"
    assert api.get("/livez").status_code == 200


def test_who_guesses_keys_has_to_wait(start_api: StartApi, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    api = start_api(key_file=str(file))

    def guess(number: int) -> int:
        elsewhere = {"X-Forwarded-For": f"10.0.0.{number % 250}"}
        return api.delete(
            "/schedules/a.b", headers={"X-API-Key": str(number), **elsewhere}
        ).status_code

    codes = [guess(0)]
    while codes[-1] == 401 and len(codes) < 1000:  # five more are allowed each second
        codes.append(guess(len(codes)))
    assert len(codes) > STRANGERS_LIMIT
    assert codes[-1] == 429
    assert {line["client"] for line in audit(tmp_path, len(codes))} == {"127.0.0.1"}


def test_a_trusted_proxy_tells_where_a_request_comes_from(
    start_api: StartApi, tmp_path: Path
) -> None:
    api = start_api(trusted_proxies="127.0.0.0/8")
    api.delete("/schedules/a.b", headers={"X-Forwarded-For": "198.51.100.7"})
    assert [line["client"] for line in audit(tmp_path, 1)] == ["198.51.100.7"]


def test_a_request_that_does_not_end_is_ended(api: httpx.Client) -> None:
    started = time.monotonic()
    with (
        socket.create_connection(address(api)) as slow,
        socket.create_connection(address(api)) as later,
    ):
        later.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in later.recv(4096, socket.MSG_PEEK)
        time.sleep(0.5)
        later.recv(4096)
        for connection in (slow, later):
            connection.settimeout(REQUEST_SECONDS + 15)
            connection.sendall(b"POST /schedules HTTP/1.1\r\nHost: x\r\nX-A: ")
        end = threading.Event()

        def drip() -> None:
            while not end.wait(1):
                try:
                    slow.sendall(b"a")
                    later.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        for connection in (slow, later):
            with suppress(ConnectionError):
                assert connection.recv(4096) == b""
        end.set()
        thread.join()
    assert REQUEST_SECONDS - 1 < time.monotonic() - started < REQUEST_SECONDS + 10


def test_what_was_accepted_is_finished(
    start_api: StartApi, tmp_path: Path, kubectl: Kubectl
) -> None:
    """SIGTERM while the body is still on its way: the schedule is made all the same."""
    file = tmp_path / "key"
    file.write_text(KEY)
    api = start_api(key_file=str(file), namespace=kubectl.namespace)
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
