"""Thousands of hostile requests: each is answered or closed, and none leaks memory."""

import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import pytest

from tests.support.api_process import KEY, is_alive, pid_of
from tests.support.api_schedules import create
from tools.cluster.kubectl import wait_for

SEED: Final = 20261125
REQUESTS: Final = 1000
SLOW: Final = 200
"""Connections that send half a request and wait."""
MAX_GROWTH: Final = 24 * 1024 * 1024
SECRET: Final = "s3cr3t-of-somebody"

HEAD = f"Host: x\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"


def request(line: str, body: bytes = b"", *headers: str) -> bytes:
    sized = (*headers, f"Content-Length: {len(body)}")
    return (
        f"{line} HTTP/1.1\r\n{HEAD}{''.join(h + chr(13) + chr(10) for h in sized)}\r\n".encode(
            "latin-1"
        )
        + body
    )


def post(body: bytes, kind: str = "application/json") -> bytes:
    return request("POST /schedules", body, f"Content-Type: {kind}")


def wrong_types(rng: Random) -> bytes:
    odd: list[Any] = [
        None,
        True,
        -1,
        2**70,
        1e308,
        "",
        "\u0000",
        "\ud800",
        [],
        {},
        [[[]]],
        {"a": {}},
        "x" * 9999,
    ]
    names = ["name", "url", "cron_expression", "format", "headers", "enabled", "request", "verify"]
    names += ["destination", "namespace", "time_zone", "secret_headers", "keep_last", "nonsense"]
    good = {"name": "n", "url": "https://example.com/", "cron_expression": "0 2 * * *"}
    return post(json.dumps({**good, rng.choice(names): rng.choice(odd)}).encode())


def malformed(rng: Random) -> bytes:
    bodies = [b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 20_000, b"NaN", b"Infinity", b"null"]
    bodies += [b'{"name": "\\ud800"}', b"", b"\0" * 99, b'{"a":1,"a":2}', b"1e999999"]
    kinds = [
        "application/json",
        "text/plain",
        "application/merge-patch+json",
        "x",
        "a/b; charset=z",
    ]
    return post(rng.choice(bodies), rng.choice(kinds))


def odd_paths(rng: Random) -> bytes:
    paths = ["/schedules/..%2f..%2fapi", "/schedules/a.b%00c", "/schedules/%ff.%fe", "//schedules"]
    paths += ["/schedules/" + "a" * 5000, "/schedules/a.b/history/../../..", "/schedules/\xe9.\xe8"]
    paths += ["/schedules/a.b/history/%2e%2e/log", "/schedules/a.b?limit=1&limit=2", "*", "/%"]
    paths += ["http://169.254.169.254/latest", "/cron/preview?expr=" + "*/1," * 900, "/docs/../x"]
    paths += ["/schedules?cursor=" + "A" * 5000, "/schedules?limit=1e3", "/schedules?offset=-1"]
    paths += ["/cron/preview?expr=%00&tz=%2e%2e%2fetc%2fpasswd", "/events?namespace=../x"]
    methods = ["GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "HEAD"]
    return request(f"{rng.choice(methods)} {rng.choice(paths)}", b"")


def smuggling(rng: Random) -> bytes:
    inner = b"GET /schedules HTTP/1.1\r\nHost: x\r\n\r\n"
    heads = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\nContent-Length: 9",
    ]
    heads += [
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Content-Length: -1",
    ]
    heads += ["Content-Length: 0x10", " folded: x", "X-A: b\nX-C: d", "Transfer-Encoding: xchunked"]
    heads += ["Content-Length: 99999999999999999999", "Expect: 100-continue\r\nContent-Length: 5"]
    return f"POST /schedules HTTP/1.1\r\n{HEAD}{rng.choice(heads)}\r\n\r\n".encode() + inner


def huge(rng: Random) -> bytes:
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    start = f"POST /schedules HTTP/1.1\r\n{HEAD}".encode()
    return rng.choice(
        [
            request("GET /schedules", b"", "X-Big: " + "x" * 200_000),
            request("GET /schedules", b"", *(f"X-{n}: y" for n in range(3000))),
            request("GET /" + "x" * 200_000),
            post(b'{"name": "' + b"x" * 2_000_000 + b'"}'),
            start + b"Content-Length: 900000000\r\n\r\n" + b"x" * 9999,
            start + b"Transfer-Encoding: chunked\r\n\r\n" + 2 * piece,
        ]
    )


def not_http(rng: Random) -> bytes:
    return rng.choice(
        [
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET\r\n\r\n",
            rng.randbytes(2000),
            b"\r\n" * 3000,
        ]
    )


REQUEST_KINDS: Final[tuple[Callable[[Random], bytes], ...]] = (
    wrong_types,
    malformed,
    odd_paths,
    smuggling,
    huge,
    not_http,
)


def exchange(address: tuple[str, int], text: bytes) -> bytes:
    """Send bytes; return what comes back until the server closes, or is silent."""
    with socket.create_connection(address, timeout=5) as connection:
        with suppress(OSError):
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
        response = b""
        with suppress(OSError):
            while piece := connection.recv(65536):
                response += piece
        return response


def resident_bytes(pid: int) -> int:
    """Return the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.timeout(300)
def test_hostile_requests_cause_no_server_error_and_no_leak(api: httpx.Client) -> None:
    rng = Random(SEED)
    create(api, headers={"Authorization": SECRET})
    address, pid = ("127.0.0.1", api.base_url.port or 0), pid_of(api)
    statuses: Counter[int] = Counter()
    for number in range(2 * REQUESTS):
        if number == REQUESTS:  # by then, all caches are filled
            before = resident_bytes(pid)
        kind = REQUEST_KINDS[number % len(REQUEST_KINDS)]
        response = exchange(address, kind(rng))
        if response:
            status = int(response.split(b" ", 2)[1])
            statuses[status] += 1
            assert status < 500, (kind.__name__, response[:500])
        if kind is not odd_paths:
            assert SECRET.encode() not in response
    assert resident_bytes(pid) - before < MAX_GROWTH
    assert set(statuses) <= {100, 200, 201, 400, 404, 405, 413, 415, 422, 431}, statuses
    assert is_alive(api)


def test_half_sent_requests_do_not_block_others(api: httpx.Client) -> None:
    address = ("127.0.0.1", api.base_url.port or 0)
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(SLOW)
        ]
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /schedules HTTP/1.1\r\nX-A: "[: 5 + number % 28])
        assert is_alive(api)
        assert create(api)["name"]

        def all_are_closed() -> bool:
            return all(map(is_closed, slow))

        wait_for("the end of the slow connections", all_are_closed, timeout=40, every=1)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
