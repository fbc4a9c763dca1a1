"""How the URL is asked for and what the body must be like, as the resource says."""

import gzip
import hashlib
from typing import Any

import pytest

from download_worker.errors import Reason
from tests.support.attempts import Ended, Pod
from tests.support.http_faults import BODY, Exchange, FaultServer, answer, head, redirect, running


def gave_up(ended: Ended, reason: Reason, code: int = 10) -> None:
    assert (ended.code, ended.result.reason) == (code, reason), ended.out


def test_a_post_carries_its_body_and_becomes_a_get_after_303(pod: Pod, server: FaultServer) -> None:
    bodies: list[bytes] = []

    def take(exchange: Exchange) -> None:
        text = exchange.head.partition("\r\n\r\n")[2].encode("latin-1")
        bodies.append(text or exchange.connection.recv(100))
        redirect("/done", 303)(exchange)

    server.on("/done", answer(200, BODY))
    url = server.on("/form", take)
    ended = pod.run(url, request={"method": "POST", "body": "a=1"})
    assert ended.code == 0
    assert bodies == [b"a=1"]
    assert [text.split(" ")[0] for text in server.heads] == ["POST", "GET"]


@pytest.mark.parametrize("body", ["", "a\0b", "é" * 8000])
def test_a_post_carries_any_text(pod: Pod, server: FaultServer, body: str) -> None:
    bodies: list[bytes] = []

    def take(exchange: Exchange) -> None:
        rest = exchange.head.partition("\r\n\r\n")[2].encode("latin-1")
        while len(rest) < len(body.encode()):
            rest += exchange.connection.recv(65536)
        bodies.append(rest)
        answer(200)(exchange)

    ended = pod.run(server.on("/form", take), request={"method": "POST", "body": body})
    assert ended.code == 0, ended.out
    assert bodies == [body.encode()]
    assert f"Content-Length: {len(body.encode())}\r\n" in server.heads[0]


def test_a_body_never_goes_to_another_origin(pod: Pod, server: FaultServer) -> None:
    with running() as other:
        other.on("/x", answer(200, BODY))
        url = server.on("/form", redirect(other.origin + "/x", 307))
        gave_up(pod.run(url, request={"method": "POST", "body": "secret"}), Reason.BAD_REDIRECT)
        assert other.heads == []


def test_a_header_from_a_secret_is_sent_and_not_logged(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", answer(200, BODY))
    header = {"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}
    ended = pod.run(url, request={"headers": [header]}, DOWNLOAD_HEADER_0="Bearer hush")
    assert ended.code == 0
    assert "Authorization: Bearer hush" in server.heads[0]
    assert "hush" not in ended.out + ended.err


def test_compressed_bodies_are_kept_decoded(pod: Pod, server: FaultServer) -> None:
    packed = gzip.compress(BODY)
    url = server.on("/x.csv", answer(200, packed, "Content-Encoding: gzip"))
    ended = pod.run(url, request={"compressed": True})
    assert ended.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert list(pod.files().values()) == [BODY]
    assert "Accept-Encoding: " in server.heads[0]


@pytest.mark.parametrize(("max_bytes", "code"), [(3, 0), (2, 10)])
def test_max_bytes_are_those_of_the_decoded_body(
    pod: Pod, server: FaultServer, max_bytes: int, code: int
) -> None:
    packed = gzip.compress(b"few")
    url = server.on("/x", answer(200, packed, "Content-Encoding: gzip"))
    ended = pod.run(url, request={"compressed": True}, verify={"maxBytes": max_bytes})
    assert ended.code == code, ended.out
    assert len(packed) > max_bytes


@pytest.mark.parametrize("more", [["Content-Length: 2000000"], []])
def test_packings_that_hold_nothing_stop_too(
    pod: Pod, server: FaultServer, more: list[str]
) -> None:
    endless = gzip.compress(b"") * 100_000
    assert len(endless) == 2_000_000

    def send(exchange: Exchange) -> None:
        exchange.send(head(200, "Content-Encoding: gzip", *more) + endless)

    url = server.on("/x", send)
    gave_up(pod.run(url, request={"compressed": True}, verify={"maxBytes": 100}), Reason.TOO_LARGE)


def test_a_bomb_stops_at_max_bytes(pod: Pod, server: FaultServer) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    url = server.on("/x", answer(200, bomb, "Content-Encoding: gzip"))
    ended = pod.run(url, request={"compressed": True}, verify={"maxBytes": 1_000_000})
    gave_up(ended, Reason.TOO_LARGE)
    assert pod.files() == {}


@pytest.mark.parametrize(("allowed", "code"), [(1, 0), (0, 10)])
def test_as_many_redirects_as_allowed(
    pod: Pod, server: FaultServer, allowed: int, code: int
) -> None:
    server.on("/there", answer(200, BODY))
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
def test_a_body_that_is_not_as_wanted_is_not_kept(
    pod: Pod, server: FaultServer, verify: dict[str, Any], reason: Reason | None, code: int
) -> None:
    url = server.on("/x.csv", answer(200, BODY, "Content-Type: Text/CSV; charset=utf-8"))
    ended = pod.run(url, verify=verify)
    assert (ended.code, ended.result.reason) == (code, reason)
    assert bool(pod.files()) == (code == 0)
