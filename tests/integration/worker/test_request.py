"""How the worker requests the URL and checks the response, as the resource says."""

import gzip
import hashlib
from typing import Any

import pytest

from download_worker.errors import Reason
from tests.support.attempts import FinishedAttempt, Pod
from tests.support.http_faults import (
    BODY,
    Exchange,
    FaultServer,
    redirect,
    respond,
    response_head,
    run_server,
)


def assert_failed(attempt: FinishedAttempt, reason: Reason, code: int = 10) -> None:
    assert attempt.outcome == (code, reason), attempt.out


def test_post_becomes_a_get_after_303(pod: Pod, server: FaultServer) -> None:
    bodies: list[bytes] = []

    def record_body(exchange: Exchange) -> None:
        text = exchange.request.partition("\r\n\r\n")[2].encode("latin-1")
        bodies.append(text or exchange.connection.recv(100))
        redirect("/done", 303)(exchange)

    server.on("/done", respond(200, BODY))
    url = server.on("/form", record_body)
    attempt = pod.run(url, request={"method": "POST", "body": "a=1"})
    assert attempt.code == 0
    assert bodies == [b"a=1"]
    assert [text.split(" ")[0] for text in server.requests] == ["POST", "GET"]


@pytest.mark.parametrize("body", ["", "a\0b", "é" * 8000])
def test_post_body_may_be_any_text(pod: Pod, server: FaultServer, body: str) -> None:
    bodies: list[bytes] = []

    def record_body(exchange: Exchange) -> None:
        rest = exchange.request.partition("\r\n\r\n")[2].encode("latin-1")
        while len(rest) < len(body.encode()):
            rest += exchange.connection.recv(65536)
        bodies.append(rest)
        respond(200)(exchange)

    attempt = pod.run(server.on("/form", record_body), request={"method": "POST", "body": body})
    assert attempt.code == 0, attempt.out
    assert bodies == [body.encode()]
    assert f"Content-Length: {len(body.encode())}\r\n" in server.requests[0]


def test_post_body_is_not_sent_to_another_origin(pod: Pod, server: FaultServer) -> None:
    with run_server() as other:
        other.on("/x", respond(200, BODY))
        url = server.on("/form", redirect(other.origin + "/x", 307))
        assert_failed(
            pod.run(url, request={"method": "POST", "body": "secret"}), Reason.BAD_REDIRECT
        )
        assert other.requests == []


def test_header_from_a_secret_is_sent_and_not_logged(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY))
    header = {"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}
    attempt = pod.run(url, request={"headers": [header]}, DOWNLOAD_HEADER_0="Bearer hush")
    assert attempt.code == 0
    assert "Authorization: Bearer hush" in server.requests[0]
    assert "hush" not in attempt.out + attempt.err


def test_compressed_body_is_saved_decoded(pod: Pod, server: FaultServer) -> None:
    content = gzip.compress(BODY)
    url = server.on("/x.csv", respond(200, content, "Content-Encoding: gzip"))
    attempt = pod.run(url, request={"compressed": True})
    assert attempt.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert list(pod.files().values()) == [BODY]
    assert "Accept-Encoding: " in server.requests[0]


@pytest.mark.parametrize(("max_bytes", "code"), [(3, 0), (2, 10)])
def test_max_bytes_limits_the_decoded_body(
    pod: Pod, server: FaultServer, max_bytes: int, code: int
) -> None:
    content = gzip.compress(b"few")
    url = server.on("/x", respond(200, content, "Content-Encoding: gzip"))
    attempt = pod.run(url, request={"compressed": True}, verify={"maxBytes": max_bytes})
    assert attempt.code == code, attempt.out
    assert len(content) > max_bytes


@pytest.mark.parametrize("headers", [["Content-Length: 2000000"], []])
def test_compressed_data_that_decodes_to_nothing_is_limited(
    pod: Pod, server: FaultServer, headers: list[str]
) -> None:
    endless = gzip.compress(b"") * 100_000
    assert len(endless) == 2_000_000

    def send_endless(exchange: Exchange) -> None:
        exchange.send(response_head(200, "Content-Encoding: gzip", *headers) + endless)

    url = server.on("/x", send_endless)
    assert_failed(
        pod.run(url, request={"compressed": True}, verify={"maxBytes": 100}), Reason.TOO_LARGE
    )


def test_compression_bomb_stops_at_max_bytes(pod: Pod, server: FaultServer) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    url = server.on("/x", respond(200, bomb, "Content-Encoding: gzip"))
    attempt = pod.run(url, request={"compressed": True}, verify={"maxBytes": 1_000_000})
    assert_failed(attempt, Reason.TOO_LARGE)
    assert pod.files() == {}


@pytest.mark.parametrize(("allowed", "code"), [(1, 0), (0, 10)])
def test_max_redirects_limits_redirects(
    pod: Pod, server: FaultServer, allowed: int, code: int
) -> None:
    server.on("/there", respond(200, BODY))
    url = server.on("/here", redirect("/there"))
    assert pod.run(url, request={"maxRedirects": allowed}).code == code


@pytest.mark.parametrize(
    ("verify", "reason", "code"),
    [
        ({"sha256": hashlib.sha256(BODY).hexdigest()}, None, 0),
        ({"sha256": "0" * 64}, Reason.CHECKSUM_MISMATCH, 10),
        ({"minBytes": len(BODY)}, None, 0),
        ({"minBytes": len(BODY) + 1}, Reason.TOO_SMALL, 20),
        ({"maxBytes": len(BODY)}, None, 0),
        ({"maxBytes": len(BODY) - 1}, Reason.TOO_LARGE, 10),
        ({"contentTypes": ["text/csv"]}, None, 0),
        ({"contentTypes": ["application/json", "text/*"]}, None, 0),
        ({"contentTypes": ["application/json"]}, Reason.WRONG_TYPE, 10),
    ],
)
def test_body_that_fails_a_check_is_not_saved(
    pod: Pod, server: FaultServer, verify: dict[str, Any], reason: Reason | None, code: int
) -> None:
    url = server.on("/x.csv", respond(200, BODY, "Content-Type: Text/CSV; charset=utf-8"))
    attempt = pod.run(url, verify=verify)
    assert attempt.outcome == (code, reason)
    assert bool(pod.files()) == (code == 0)
