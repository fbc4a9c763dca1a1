"""The browser's only way out, over real sockets; only the look-up is replaced where it must lie."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_network
from typing import Any

import pytest

from download_worker.egress.proxy import HOST, Passed, gate
from tests.support.http_faults import (
    BODY,
    Exchange,
    FaultServer,
    answer,
    endless,
    head,
    raw,
    running,
    stall,
)

LOOPBACK = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def passed() -> Iterator[Passed]:
    with gate(LOOPBACK, max_bytes=10_000_000, connect_seconds=2) as running_gate:
        yield running_gate


def ask(passed: Passed, *requests: bytes) -> bytes:
    """Send to the gate, one after the other, and return all that it answers."""
    with closing(socket.create_connection((HOST, passed.port), timeout=10)) as connection:
        for request in requests:
            connection.sendall(request)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def get(url: str, *fields: str) -> bytes:
    return "\r\n".join((f"GET {url} HTTP/1.1", "Host: x", *fields, "", "")).encode()


def status(answered: bytes) -> int:
    return int(answered.split(b" ", 2)[1]) if answered else 0


def port_of(server: FaultServer) -> int:
    return int(server.origin.rpartition(":")[2])


def test_a_request_goes_through(passed: Passed, server: FaultServer) -> None:
    url = server.on("/x", answer(200, BODY))
    answered = ask(passed, get(url + "?a=b", "Proxy-Connection: keep-alive", "Cookie: c=d"))
    assert answered.endswith(b"\r\n\r\n" + BODY)
    assert server.heads[0].startswith("GET /x?a=b HTTP/1.1\r\n")
    assert "Cookie: c=d" in server.heads[0]
    assert "Proxy-Connection" not in server.heads[0]
    assert passed.bytes > len(BODY)


def test_a_body_goes_through(passed: Passed, server: FaultServer) -> None:
    def echo(exchange: Exchange) -> None:
        body = exchange.head.partition("\r\n\r\n")[2].encode()
        while len(body) < 5:
            body += exchange.connection.recv(5)
        exchange.send(head(200, "Content-Length: 5") + body)

    url = server.on("/x", echo)
    post = f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n".encode()
    assert ask(passed, post, b"hello").endswith(b"\r\n\r\nhello")


def test_a_tunnel_goes_through_both_ways(passed: Passed, server: FaultServer) -> None:
    server.on("/x", answer(200, BODY))
    connect = f"CONNECT 127.0.0.1:{port_of(server)} HTTP/1.1\r\n\r\n".encode()
    answered = ask(passed, connect, get("/x"))
    assert answered.startswith(b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 200")
    assert answered.endswith(BODY)


FORBIDDEN = [
    "127.0.0.2",
    "127.1.2.3",
    "2130706434",
    "0x7f.2",
    "0",
    "10.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "192.168.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.2]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a00:1]",
    "[2002:7f00:2::]",
    "[fd00:ec2::254]",
    "[fe80::1]",
]


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_private_addresses_are_refused(passed: Passed, host: str, method: str) -> None:
    where = f"http://{host}:8080/" if method == "GET" else f"{host}:8080"
    request = f"{method} {where} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert status(ask(passed, request)) == 403
    assert list(passed.refused) == [f"{host}:8080"]


def test_nothing_connects_where_it_is_refused(passed: Passed) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as listener:
        port = listener.getsockname()[1]
        ask(passed, f"CONNECT 127.0.0.2:{port} HTTP/1.1\r\n\r\n".encode())
        ask(passed, get(f"http://127.0.0.2:{port}/"))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_what_was_judged_is_what_is_connected_to(
    passed: Passed, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers something else the second time is not asked a second time."""
    url = server.on("/x", answer(200, BODY))
    asked: list[str] = []
    real = socket.getaddrinfo

    def lies(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "rebinding.test":
            return real(host, port, *rest, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lies)
    named = url.replace("127.0.0.1", "rebinding.test")
    assert status(ask(passed, get(named))) == 200
    assert asked == ["rebinding.test"]
    assert status(ask(passed, get(named))) == 403
    assert passed.refused == {f"rebinding.test:{port_of(server)}": "127.0.0.2"}


def test_the_public_one_of_several_addresses_is_taken(
    passed: Passed, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.on("/x", answer(200, BODY))
    real = socket.getaddrinfo

    def several(host: Any, *rest: Any, **more: Any) -> Any:
        hosts = ["10.0.0.1", "127.0.0.1"] if host == "several.test" else [host]
        return [entry for each in hosts for entry in real(each, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    assert status(ask(passed, get(url.replace("127.0.0.1", "several.test")))) == 200


@pytest.mark.parametrize(
    "request_",
    [
        get("/"),
        get("https://127.0.0.1/"),
        get("file:///etc/passwd"),
        get("ftp://127.0.0.1/"),
        b"CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n",
        b"rubbish\r\n\r\n",
    ],
)
def test_what_is_no_proxy_request_is_refused(passed: Passed, request_: bytes) -> None:
    assert status(ask(passed, request_)) == 400


def test_a_host_that_is_not_there_is_said(passed: Passed, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    assert status(ask(passed, get(f"http://127.0.0.1:{port}/"))) == 502
    real = socket.getaddrinfo

    def unknown(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert status(ask(passed, get("http://nowhere.invalid/"))) == 502
    assert passed.refused == {}


def test_a_second_request_on_a_connection_goes_nowhere(passed: Passed, server: FaultServer) -> None:
    """It could be for another host than the one that was judged."""
    url = server.on("/x", answer(200, BODY))
    answered = ask(passed, get(url) + get("http://127.0.0.2/secret"))
    assert answered.count(b"HTTP/1.1 200") == 1
    assert len(server.heads) == 1
    assert "secret" not in server.heads[0]


def test_interim_answers_are_left_out(passed: Passed, server: FaultServer) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    url = server.on("/x", raw(early + head(200, "Content-Length: 2") + b"ok"))
    answered = ask(passed, get(url))
    assert answered.startswith(b"HTTP/1.1 200")
    assert b"103" not in answered


def test_no_server_changes_the_protocol(passed: Passed, server: FaultServer) -> None:
    url = server.on("/x", raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw"))
    assert status(ask(passed, get(url, "Connection: Upgrade", "Upgrade: x"))) == 502
    assert "Upgrade" not in server.heads[0]


def test_too_many_bytes_end_everything(server: FaultServer) -> None:
    url = server.on("/x", endless(head(200)))
    with gate(LOOPBACK, max_bytes=1_000_000, connect_seconds=2) as passed:
        assert len(ask(passed, get(url))) <= 1_000_000
        assert passed.too_much
        assert len(ask(passed, get(url))) == 0


def test_a_host_that_does_not_answer_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    real = socket.getaddrinfo

    def hangs(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "slow.test":
            hanging.wait(5)
        return real("127.0.0.1" if host == "slow.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    with gate(LOOPBACK, max_bytes=1_000_000, connect_seconds=0.2) as passed:
        assert status(ask(passed, get("http://slow.test/"))) == 504
    hanging.set()


def test_it_ends_at_once_whatever_goes_on(server: FaultServer) -> None:
    reached = threading.Event()
    url = server.on("/x", stall(5, reached))
    with gate(LOOPBACK, max_bytes=1_000_000, connect_seconds=2) as passed:
        waiting = threading.Thread(target=ask, args=(passed, get(url)))
        waiting.start()
        assert reached.wait(5)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    waiting.join(5)
    assert not waiting.is_alive()


def test_connections_have_a_number(monkeypatch: pytest.MonkeyPatch, passed: Passed) -> None:
    monkeypatch.setattr("download_worker.egress.proxy.MAX_CONNECTIONS", 2)
    idle = [socket.create_connection((HOST, passed.port)) for _ in range(2)]
    assert status(ask(passed, get("http://127.0.0.1/"))) == 503
    for connection in idle:
        connection.close()


def test_a_server_on_another_port_is_a_server_too(passed: Passed) -> None:
    with running() as other:
        assert status(ask(passed, get(other.on("/x", answer(204, b""))))) == 204
