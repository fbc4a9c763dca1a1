"""Names with several addresses, of which some are silent, refuse, or are not allowed.

The proxy in the worker connects to them for uploads and printed pages, over real sockets here. Only
the look-up is replaced. A silent address is one whose queue of connections is full.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import obstore
import pytest

from download_worker.egress.proxy import HOST, ProxyStats, egress_proxy
from download_worker.egress.upstream import MAX_ADDRESSES_PER_FAMILY, NEXT_ADDRESS_SECONDS
from download_worker.errors import DownloadError, Reason
from download_worker.http.curl import ConnectionOptions
from download_worker.s3.bucket import Bucket
from download_worker.s3.upload import S3Object, Upload
from tests.support import s3
from tests.support.attempts import policy
from tests.support.http_faults import BODY, FaultServer, respond
from tests.support.s3 import KEY_ID, SECRET

NAME = "several.test"
GOOD = "127.0.0.1"
SILENT, SILENT_IPV6 = "127.0.0.2", "::1"
CLOSED = tuple(f"127.0.1.{number}" for number in range(1, 16))
"""Addresses that refuse connections."""
FORBIDDEN = "127.0.3.1"
"""An address that the policy refuses, and that would accept."""
POLICY = policy("127.0.0.0/8", "::1/128", denied=(f"{FORBIDDEN}/32",))
CONNECT_SECONDS = 3


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Take no connection there, and refuse none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as stack:
        stack.enter_context(
            closing(socket.create_server((address, port), family=family, backlog=0))
        )
        for _ in range(3):
            waiting = stack.enter_context(closing(socket.socket(family)))
            waiting.setblocking(False)
            waiting.connect_ex((address, port))
        yield


@contextmanager
def forbidden(port: int) -> Iterator[None]:
    """Fail if anything connects to the forbidden address."""
    with closing(socket.create_server((FORBIDDEN, port))) as listener:
        yield
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[str]]:
    """Addresses by name, in the order of the name server."""
    addresses: dict[str, Sequence[str]] = {}
    original = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        return [
            entry
            for address in addresses.get(host, [host])
            for entry in original(address, *rest, **more)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return addresses


@dataclass(frozen=True)
class Case:
    """A row: the addresses of a name, and what comes of a request.

    Args:
        source: the public report, or the section of a standard.
        situation: in our words. It names the test.
        addresses: in the order of the name server.
        status: of the proxy's response.
        between: least and most seconds until then.
    """

    source: str
    situation: str
    addresses: tuple[str, ...]
    status: int = 200
    between: tuple[float, float] = (0, 2)

    def __str__(self) -> str:
        return self.situation


ONE_WAIT = (NEXT_ADDRESS_SECONDS - 0.01, 2)
CASES = [
    Case("RFC 8305, 5", "a silent address comes first", (SILENT, GOOD), between=ONE_WAIT),
    Case("RFC 8305, 5", "a silent address comes last", (GOOD, SILENT)),
    Case("RFC 8305, 5", "a broken IPv6 comes first", (SILENT_IPV6, GOOD), between=ONE_WAIT),
    Case("RFC 8305, 5", "a broken IPv6 comes last", (GOOD, SILENT_IPV6)),
    Case(
        "RFC 8305, 4",
        "families take turns behind several silent addresses of one",
        (SILENT, *CLOSED[:5], SILENT_IPV6, GOOD),
    ),
    Case("RFC 8305, 5", "an address that refuses costs no wait", (CLOSED[0], GOOD)),
    Case("RFC 8305, 5", "every address refuses", CLOSED[:3], 502),
    Case(
        "RFC 8305, 5",
        "every address is silent",
        (SILENT, SILENT_IPV6),
        504,
        (CONNECT_SECONDS - 0.1, CONNECT_SECONDS + 1.5),
    ),
    Case("RFC 9110, 9.3.6", "a refused address comes first", (FORBIDDEN, GOOD)),
    Case("RFC 9110, 9.3.6", "a refused address comes last", (GOOD, FORBIDDEN)),
    Case(
        "RFC 8305, 5",
        "a refused address stands between a silent and a good one",
        (SILENT, FORBIDDEN, GOOD),
        between=ONE_WAIT,
    ),
    Case(
        "RFC 8305, 5",
        "a refused address is no way out where the others are silent",
        (SILENT, FORBIDDEN, SILENT_IPV6),
        504,
        (CONNECT_SECONDS - 0.1, CONNECT_SECONDS + 1.5),
    ),
    Case("RFC 9110, 9.3.6", "every address is refused", (FORBIDDEN,), 403),
    Case(
        "RFC 8305, 5",
        "the last address that is tried is good",
        (*CLOSED[: MAX_ADDRESSES_PER_FAMILY - 1], GOOD),
    ),
    Case(
        "RFC 8305, 5",
        "more addresses than are tried",
        (*CLOSED[:MAX_ADDRESSES_PER_FAMILY], GOOD),
        502,
    ),
    Case(
        "RFC 8305, 5",
        "refused addresses do not count among those that are tried",
        (*CLOSED[: MAX_ADDRESSES_PER_FAMILY - 1], *[FORBIDDEN] * 20, GOOD),
    ),
    Case("RFC 6724", "the same address comes many times", (*[CLOSED[0]] * 20, GOOD)),
]


@pytest.fixture
def stats() -> Iterator[ProxyStats]:
    with egress_proxy(
        POLICY, max_bytes=10_000_000, connect_timeout_seconds=CONNECT_SECONDS
    ) as running:
        yield running


def ask(stats: ProxyStats, host: str, port: int) -> bytes:
    """Ask the proxy for a page of a host, and return all that it sends back."""
    with closing(socket.create_connection((HOST, stats.port), timeout=10)) as connection:
        connection.sendall(f"GET http://{host}:{port}/x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


@contextmanager
def surroundings(port: int) -> Iterator[None]:
    with silent(SILENT, port), silent(SILENT_IPV6, port), forbidden(port):
        yield


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(
    case: Case, stats: ProxyStats, server: FaultServer, names: dict[str, Sequence[str]]
) -> None:
    server.on("/x", respond(200))
    port = int(server.origin.rpartition(":")[2])
    names[NAME] = case.addresses

    with surroundings(port):
        started = time.monotonic()
        response = ask(stats, NAME, port)
        seconds = time.monotonic() - started

    assert int(response.split()[1]) == case.status
    assert response.endswith(BODY) == (case.status == 200)
    assert case.between[0] <= seconds <= case.between[1]


def test_next_proxy_is_reached_at_its_second_address(
    stats: ProxyStats, server: FaultServer, names: dict[str, Sequence[str]]
) -> None:
    url = server.on("/x", respond(200))
    port = int(url.rpartition(":")[2].partition("/")[0])
    names["proxy.test"] = (SILENT, GOOD)
    with (
        silent(SILENT, stats.port),
        egress_proxy(
            POLICY,
            max_bytes=10_000_000,
            connect_timeout_seconds=CONNECT_SECONDS,
            next_proxy=f"http://proxy.test:{stats.port}",
        ) as chained,
    ):
        assert ask(chained, GOOD, port).endswith(BODY)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


def upload(service: s3.S3Server, key: str) -> None:
    """Write an object at the endpoint of that name."""
    port = service.endpoint.rpartition(":")[2]
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    bucket = Bucket(
        service.bucket,
        f"http://{NAME}:{port}",
        "us-east-1",
        credentials,
        "keys",
        ConnectionOptions(POLICY, connect_timeout_seconds=CONNECT_SECONDS),
    )
    writing = Upload(bucket, S3Object(key, None, run="run"))
    try:
        writing.write(BODY)
        writing.commit("")
    finally:
        writing.discard()


@pytest.mark.parametrize(
    "addresses",
    [(SILENT, GOOD), (SILENT_IPV6, GOOD), (FORBIDDEN, GOOD), (GOOD, FORBIDDEN), ("10.0.0.1", GOOD)],
    ids=" then ".join,
)
def test_upload_uses_the_address_that_works(
    addresses: tuple[str, ...], service: s3.S3Server, names: dict[str, Sequence[str]]
) -> None:
    names[NAME] = addresses
    key = "-".join(addresses).replace(":", "")

    with surroundings(int(service.endpoint.rpartition(":")[2])):
        started = time.monotonic()
        upload(service, key)

    assert time.monotonic() - started < 3
    assert bytes(obstore.get(service.store, key).bytes()) == BODY


@pytest.mark.parametrize("addresses", [(FORBIDDEN,), ("10.0.0.1", FORBIDDEN, "fd00::1")])
def test_endpoint_without_an_allowed_address_is_refused(
    addresses: tuple[str, ...], service: s3.S3Server, names: dict[str, Sequence[str]]
) -> None:
    names[NAME] = addresses

    with pytest.raises(DownloadError, match="is not a public address") as caught:
        upload(service, "refused")

    assert caught.value.reason is Reason.ADDRESS_REFUSED
    assert caught.value.permanent
