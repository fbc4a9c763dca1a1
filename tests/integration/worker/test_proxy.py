"""The egress proxy over real sockets; only look-ups are replaced, where they have to lie."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from download_worker.egress.proxy import HOST, ProxyStats, egress_proxy
from download_worker.errors import Reason
from tests.support.attempts import LOOPBACK, policy
from tests.support.http_faults import (
    BODY,
    Exchange,
    FaultServer,
    endless,
    respond,
    response_head,
    run_server,
    send,
    stall,
)

OPEN = policy(LOOPBACK)


@pytest.fixture
def stats() -> Iterator[ProxyStats]:
    with egress_proxy(OPEN, max_bytes=10_000_000, connect_timeout_seconds=2) as running:
        yield running


def ask(stats: ProxyStats, *requests: bytes) -> bytes:
    """Send requests to the proxy one after the other, and return all that it sends back."""
    with closing(socket.create_connection((HOST, stats.port), timeout=10)) as connection:
        for request in requests:
            connection.sendall(request)
        return receive_all(connection)


def receive_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def get_request(url: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {url} HTTP/1.1", "Host: x", *headers, "", "")).encode()


def connect_request(authority: str) -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()


def request_for(method: str, authority: str) -> bytes:
    """Return what a client sends to reach a host and port, without or with a tunnel."""
    if method == "CONNECT":
        return connect_request(authority)
    return get_request(f"http://{authority}/")


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1]) if response else 0


def port_of(server: FaultServer) -> int:
    return int(server.origin.rpartition(":")[2])


def test_request_is_forwarded(stats: ProxyStats, server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY))
    response = ask(stats, get_request(url + "?a=b", "Proxy-Connection: keep-alive", "Cookie: c=d"))
    assert response.endswith(b"\r\n\r\n" + BODY)
    assert server.requests[0].startswith("GET /x?a=b HTTP/1.1\r\n")
    assert "Cookie: c=d" in server.requests[0]
    assert "Proxy-Connection" not in server.requests[0]
    assert stats.bytes > len(BODY)


def test_body_is_forwarded(stats: ProxyStats, server: FaultServer) -> None:
    def echo(exchange: Exchange) -> None:
        body = exchange.request.partition("\r\n\r\n")[2].encode()
        while len(body) < 5:
            body += exchange.connection.recv(5)
        exchange.send(response_head(200, "Content-Length: 5") + body)

    url = server.on("/x", echo)
    post = f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n".encode()
    assert ask(stats, post, b"hello").endswith(b"\r\n\r\nhello")


def test_tunnel_passes_bytes_in_both_directions(stats: ProxyStats, server: FaultServer) -> None:
    server.on("/x", respond(200, BODY))
    connect = connect_request(f"127.0.0.1:{port_of(server)}")
    response = ask(stats, connect, get_request("/x"))
    assert response.startswith(b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 200")
    assert response.endswith(BODY)


@pytest.fixture
def chained(stats: ProxyStats) -> Iterator[ProxyStats]:
    """A proxy that may connect to nothing itself, and passes everything on to the first one."""
    with egress_proxy(
        policy(),
        max_bytes=10_000_000,
        connect_timeout_seconds=2,
        next_proxy=f"http://{HOST}:{stats.port}",
    ) as running:
        yield running


def test_request_goes_through_the_next_proxy(
    chained: ProxyStats, stats: ProxyStats, server: FaultServer
) -> None:
    url = server.on("/x", respond(200, BODY))
    assert ask(chained, get_request(url + "?a=b")).endswith(b"\r\n\r\n" + BODY)
    assert server.requests[0].startswith("GET /x?a=b HTTP/1.1\r\n")
    assert stats.bytes > len(BODY)


def test_tunnel_goes_through_the_next_proxy(
    chained: ProxyStats, stats: ProxyStats, server: FaultServer
) -> None:
    server.on("/x", respond(200, BODY))
    connect = connect_request(f"127.0.0.1:{port_of(server)}")
    response = ask(chained, connect, get_request("/x"))
    assert response.startswith(b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 200")
    assert response.endswith(BODY)
    assert stats.bytes > len(BODY)


def test_next_proxy_judges_addresses(chained: ProxyStats, stats: ProxyStats) -> None:
    assert status(ask(chained, connect_request("10.0.0.1:80"))) == 502
    assert status(ask(chained, get_request("http://10.0.0.2/"))) == 403
    assert list(stats.refused) == ["10.0.0.1:80", "10.0.0.2:80"]


def test_nothing_goes_past_a_next_proxy_that_is_down(server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY))
    with closing(socket.create_server((HOST, 0))) as unused:
        port = unused.getsockname()[1]
    with egress_proxy(
        OPEN,
        max_bytes=10_000,
        connect_timeout_seconds=2,
        next_proxy=f"http://{HOST}:{port}",
    ) as stats:
        assert status(ask(stats, get_request(url))) == 502
        assert status(ask(stats, connect_request(f"127.0.0.1:{port_of(server)}"))) == 502
    assert server.requests == []


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
def test_private_address_is_refused(stats: ProxyStats, host: str, method: str) -> None:
    assert status(ask(stats, request_for(method, f"{host}:8080"))) == 403
    assert stats.refused == {f"{host}:8080": Reason.ADDRESS_REFUSED}


def test_refused_address_is_not_connected_to(stats: ProxyStats) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as listener:
        port = listener.getsockname()[1]
        ask(stats, connect_request(f"127.0.0.2:{port}"))
        ask(stats, get_request(f"http://127.0.0.2:{port}/"))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_judged_address_is_the_one_connected_to(
    stats: ProxyStats, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy does not ask a second time, when the name server would give another address."""
    url = server.on("/x", respond(200, BODY))
    look_ups: list[str] = []
    original = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "rebinding.test":
            return original(host, port, *rest, **more)
        look_ups.append(host)
        return original("127.0.0.1" if len(look_ups) == 1 else "127.0.0.2", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    by_name = url.replace("127.0.0.1", "rebinding.test")
    assert status(ask(stats, get_request(by_name))) == 200
    assert look_ups == ["rebinding.test"]
    assert status(ask(stats, get_request(by_name))) == 403
    assert list(stats.refused) == [f"rebinding.test:{port_of(server)}"]


def test_allowed_one_of_several_addresses_is_used(
    stats: ProxyStats, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.on("/x", respond(200, BODY))
    original = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        hosts = ["10.0.0.1", "127.0.0.1"] if host == "several.test" else [host]
        return [entry for name in hosts for entry in original(name, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert status(ask(stats, get_request(url.replace("127.0.0.1", "several.test")))) == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:7f00:1]"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_closed_port_is_refused(stats: ProxyStats, host: str, method: str) -> None:
    assert status(ask(stats, request_for(method, f"{host}:25"))) == 403
    assert stats.refused == {f"{host}:25": Reason.PORT_REFUSED}


def test_closed_port_is_refused_before_a_next_proxy(chained: ProxyStats, stats: ProxyStats) -> None:
    for request in (get_request("http://nobody.invalid:25/"), connect_request("nobody.invalid:25")):
        assert status(ask(chained, request)) == 403
    assert chained.refused == {"nobody.invalid:25": Reason.PORT_REFUSED}
    assert stats.refused == {}


def test_denied_address_is_refused_although_it_is_allowed(server: FaultServer) -> None:
    url = server.on("/x", respond(200, BODY))
    denying = policy(LOOPBACK, denied=("127.0.0.0/8",))
    with egress_proxy(denying, max_bytes=10_000, connect_timeout_seconds=2) as stats:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            assert status(ask(stats, get_request(url.replace("127.0.0.1", host)))) == 403
    assert server.requests == []
    assert set(stats.refused.values()) == {Reason.ADDRESS_REFUSED}


@pytest.mark.parametrize(
    "request_",
    [
        get_request("/"),
        get_request("https://127.0.0.1/"),
        get_request("file:///etc/passwd"),
        get_request("ftp://127.0.0.1/"),
        connect_request("127.0.0.1"),
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n",
        b"rubbish\r\n\r\n",
        get_request("http://127.0.0.1/", "Transfer-Encoding: chunked", "Content-Length: 5"),
        get_request("http://127.0.0.1/", "X: a\nHost: b"),
    ],
)
def test_request_that_is_not_for_a_proxy_is_refused(stats: ProxyStats, request_: bytes) -> None:
    assert status(ask(stats, request_)) == 400


def test_unreachable_host_is_reported(stats: ProxyStats, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    assert status(ask(stats, get_request(f"http://127.0.0.1:{port}/"))) == 502
    original = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return original(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert status(ask(stats, get_request("http://nowhere.invalid/"))) == 502
    assert stats.refused == {}


def test_second_request_on_a_connection_is_not_forwarded(
    stats: ProxyStats, server: FaultServer
) -> None:
    """It could be for another host than the one that the policy judged."""
    url = server.on("/x", respond(200, BODY))
    response = ask(stats, get_request(url) + get_request("http://127.0.0.2/secret"))
    assert response.count(b"HTTP/1.1 200") == 1
    assert len(server.requests) == 1
    assert "secret" not in server.requests[0]


def test_interim_responses_are_left_out(stats: ProxyStats, server: FaultServer) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    url = server.on("/x", send(early + response_head(200, "Content-Length: 2") + b"ok"))
    response = ask(stats, get_request(url))
    assert response.startswith(b"HTTP/1.1 200")
    assert b"103" not in response


def test_change_of_protocol_is_refused(stats: ProxyStats, server: FaultServer) -> None:
    url = server.on("/x", send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw"))
    assert status(ask(stats, get_request(url, "Connection: Upgrade", "Upgrade: x"))) == 502
    assert "Upgrade" not in server.requests[0]


def test_byte_limit_ends_every_connection(server: FaultServer) -> None:
    url = server.on("/x", endless(response_head(200)))
    with egress_proxy(OPEN, max_bytes=1_000_000, connect_timeout_seconds=2) as stats:
        assert len(ask(stats, get_request(url))) <= 1_000_000
        assert stats.is_exhausted
        assert len(ask(stats, get_request(url))) == 0


def test_slow_look_up_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    original = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "slow.test":
            hanging.wait(5)
        return original("127.0.0.1" if host == "slow.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with egress_proxy(OPEN, max_bytes=1_000_000, connect_timeout_seconds=0.2) as stats:
        assert status(ask(stats, get_request("http://slow.test/"))) == 504
    hanging.set()


def test_proxy_stops_at_once_during_a_transfer(server: FaultServer) -> None:
    reached = threading.Event()
    url = server.on("/x", stall(5, reached))
    with egress_proxy(OPEN, max_bytes=1_000_000, connect_timeout_seconds=2) as stats:
        waiting = threading.Thread(target=ask, args=(stats, get_request(url)))
        waiting.start()
        assert reached.wait(5)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    waiting.join(5)
    assert not waiting.is_alive()


def test_number_of_connections_is_limited(
    monkeypatch: pytest.MonkeyPatch, stats: ProxyStats
) -> None:
    monkeypatch.setattr("download_worker.egress.proxy.MAX_CONNECTIONS", 2)
    idle = [socket.create_connection((HOST, stats.port)) for _ in range(2)]
    assert status(ask(stats, get_request("http://127.0.0.1/"))) == 503
    for connection in idle:
        connection.close()


def test_server_on_another_port_is_reached(stats: ProxyStats) -> None:
    with run_server() as other:
        assert status(ask(stats, get_request(other.on("/x", respond(204, b""))))) == 204


def test_invalid_response_is_reported(stats: ProxyStats, server: FaultServer) -> None:
    url = server.on("/x", send(b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n"))
    assert status(ask(stats, get_request(url))) == 502
