"""What somebody without a key can do to those who have one, and to the API server."""

import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import Final

import httpx
import pytest

from download_api.auth.capacity import MAX_CONNECTIONS
from download_api.auth.guard import FAILED_LOGINS_LIMIT
from download_api.server.connections import MAX_IDLE_PER_ADDRESS
from download_api.server.protocol import REQUEST_SECONDS
from download_api.server.readiness import ANSWER_SECONDS
from tests.support.api_process import KEY, api_servers
from tests.support.callers import PROGRAM_KEY, Callers, create_callers, hashed_keys
from tools.cluster import LocalCluster
from tools.cluster.kubectl import wait_for
from tools.cluster.ports import free_ports

PREVIEW: Final = "/cron/preview?expr=@daily"
SAMPLE: Final = re.compile(r"^download_api_cluster_requests_total\{(.*)\} (\S+)$", re.MULTILINE)
WITHIN_SECONDS: Final = 5.0
ATTACKERS: Final = 40
"""Time in which a caller with a key is served under attack, on a busy machine."""


@pytest.fixture(scope="module")
def metrics_port() -> int:
    (port,) = free_ports(1)
    return port


@pytest.fixture(scope="module")
def api(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, metrics_port: int
) -> Iterator[httpx.Client]:
    """A client that sends the key, on a new connection for each request."""
    with api_servers(cluster.kubeconfig, tmp_path_factory.mktemp("api")) as start:
        client = start(key=KEY, metrics_port=str(metrics_port))
        client.headers["Connection"] = "close"
        yield client


@pytest.fixture
def attack() -> Iterator[ExitStack]:
    """Keeps the attacker's connections open until the test ends."""
    with ExitStack() as stack:
        yield stack


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))


def port_of(api: httpx.Client) -> int:
    return api.base_url.port or 80


def assert_served(api: httpx.Client) -> None:
    """Check that the caller is served several times, and soon."""
    for _ in range(5):
        started_at = time.monotonic()
        response = api.get(PREVIEW)
        assert response.status_code == 200, response.text
        assert time.monotonic() - started_at < WITHIN_SECONDS


def cluster_requests(metrics_port: int) -> Counter[str]:
    """Return the API's requests to the API server by method."""
    text = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics").text
    count: Counter[str] = Counter()
    for labels, value in SAMPLE.findall(text):
        method = re.search('method="([A-Z]+)"', labels)
        assert method
        count[method[1]] += int(float(value))
    return count


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /schedules HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"GET /schedules HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["silent", "half a request", "a request without a key"],
)
def test_idle_connections_of_one_host_do_not_lock_out_a_caller(
    api: httpx.Client, attack: ExitStack, beginning: bytes
) -> None:
    port = port_of(api)
    for _ in range(MAX_CONNECTIONS + 5):
        attack.enter_context(connect(port)).sendall(beginning)
    assert_served(api)


def test_idle_connections_of_many_addresses_do_not_lock_out_a_caller(
    api: httpx.Client, attack: ExitStack
) -> None:
    port = port_of(api)
    addresses = [f"127.0.1.{number}" for number in range(1, 16)]
    connections = [
        attack.enter_context(connect(port, address))
        for address in addresses
        for _ in range(MAX_IDLE_PER_ADDRESS)
    ]
    assert len(connections) > MAX_CONNECTIONS
    assert_served(api)


def test_responses_that_nobody_reads_do_not_lock_out_a_caller(
    api: httpx.Client, attack: ExitStack
) -> None:
    port = port_of(api)
    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    for number in range(MAX_CONNECTIONS + 5):
        connection = attack.enter_context(connect(port, f"127.0.1.{1 + number % 200}"))
        with suppress(ConnectionError):
            connection.sendall(request * 4)
        if number % 200 == 0:
            assert_served(api)
    assert_served(api)


def test_one_idle_connection_too_many_closes_the_oldest(
    api: httpx.Client, attack: ExitStack
) -> None:
    port = port_of(api)
    address = "127.0.2.1"
    connections = [
        attack.enter_context(connect(port, address)) for _ in range(MAX_IDLE_PER_ADDRESS)
    ]
    other = attack.enter_context(connect(port, "127.0.2.2"))
    time.sleep(1)
    assert not any(is_closed(connection) for connection in connections)

    attack.enter_context(connect(port, address))
    wait_for("the end of the oldest", lambda: is_closed(connections[0]))
    assert not any(is_closed(connection) for connection in [*connections[1:], other])


def test_callers_who_signed_in_keep_their_connection(api: httpx.Client, attack: ExitStack) -> None:
    with api.stream("GET", "/events") as events:
        pieces = events.iter_bytes()
        assert next(pieces)
        for _ in range(2):
            flood(port_of(api), attack)
        next(pieces, None)  # raises if the connection was closed; the API server may end a watch


def flood(port: int, attack: ExitStack) -> None:
    """Open more connections than the API holds, from several addresses."""
    for number in range(MAX_CONNECTIONS + 5):
        attack.enter_context(connect(port, f"127.0.1.{1 + number % 15}"))


def test_idle_connections_end(api: httpx.Client, attack: ExitStack) -> None:
    port = port_of(api)
    silent = attack.enter_context(connect(port))
    wait_for("the end", lambda: is_closed(silent), timeout=REQUEST_SECONDS + 10, every=1)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_wrong_keys_of_the_same_address_do_not_lock_out_the_key(api: httpx.Client) -> None:
    from_one_address = httpx.HTTPTransport(local_address="127.0.3.1")
    with httpx.Client(base_url=api.base_url, transport=from_one_address) as client:
        statuses = Counter(
            client.get("/schedules", headers={"X-API-Key": f"wrong-{number}"}).status_code
            for number in range(FAILED_LOGINS_LIMIT + 100)
        )
        assert statuses.keys() == {401, 429}
        assert statuses[401] >= FAILED_LOGINS_LIMIT
        client.headers["X-API-Key"] = KEY
        assert_served(client)
        assert client.delete("/schedules/a.b").status_code == 404


def test_wrong_tokens_lock_out_neither_tokens_nor_keys_and_cost_few_reviews(
    cluster: LocalCluster, tmp_path: Path, callers: Callers
) -> None:
    (metrics_port,) = free_ports(1)
    with api_servers(cluster.kubeconfig, tmp_path) as start:
        keys = str(hashed_keys(tmp_path))
        api = start(auth="kubernetes", key_file=keys, metrics_port=str(metrics_port))
        attack_with_wrong_tokens(api, callers, metrics_port)


def attack_with_wrong_tokens(api: httpx.Client, callers: Callers, metrics_port: int) -> None:
    path = f"/schedules/{callers.report}"
    reader = callers.headers["reader"]
    assert api.get(path, headers=reader).status_code == 200
    before = cluster_requests(metrics_port)["POST"]

    def attack_with(numbers: range) -> list[int]:
        # With a client of its own: threads that share one may close each other's connections.
        with httpx.Client(base_url=api.base_url, timeout=60) as attacker:
            headers = [{"Authorization": f"Bearer wrong-{number}"} for number in numbers]
            return [attacker.get("/schedules", headers=wrong).status_code for wrong in headers]

    started_at = time.monotonic()
    with ThreadPoolExecutor(ATTACKERS) as pool:
        numbers = [range(first, 2 * FAILED_LOGINS_LIMIT, ATTACKERS) for first in range(ATTACKERS)]
        statuses = Counter(chain.from_iterable(pool.map(attack_with, numbers)))
    seconds = time.monotonic() - started_at
    assert statuses.keys() == {401, 429}
    reviews = cluster_requests(metrics_port)["POST"] - before
    assert reviews <= FAILED_LOGINS_LIMIT * (1 + seconds / 60) + 1
    assert statuses[401] == reviews

    assert api.get(path, headers=reader).status_code == 200
    assert api.delete(path, headers=reader).status_code == 403  # asks again, and may
    assert api.get(path, headers={"X-API-Key": PROGRAM_KEY}).status_code == 200


@pytest.fixture
def callers(cluster: LocalCluster) -> Iterator[Callers]:
    with create_callers(cluster, "before-sign-in") as created:
        yield created


def test_any_number_of_probes_is_one_request_in_two_seconds(
    api: httpx.Client, metrics_port: int
) -> None:
    before = cluster_requests(metrics_port)

    def probe(_: int) -> int:
        return prober.get("/readyz").status_code

    started_at = time.monotonic()
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{metrics_port}", timeout=60) as prober,
        ThreadPoolExecutor(20) as pool,
    ):
        statuses = Counter(pool.map(probe, range(400)))
    seconds = time.monotonic() - started_at
    requests = cluster_requests(metrics_port) - before
    assert statuses == {200: 400}
    assert 1 <= requests.total() <= 1 + seconds / ANSWER_SECONDS


def test_public_port_asks_the_cluster_nothing_for_strangers(
    api: httpx.Client, metrics_port: int
) -> None:
    before = cluster_requests(metrics_port)
    for path in ("/readyz", "/livez", "/metrics", "/healthz", "/", "/openapi.json", "/schedules"):
        status = httpx.get(f"{api.base_url}{path}").status_code
        assert status == {"/openapi.json": 200, "/schedules": 401}.get(path, 404)
    assert cluster_requests(metrics_port) == before


def test_idle_connections_do_not_lock_out_the_kubelet(
    api: httpx.Client, metrics_port: int, attack: ExitStack
) -> None:
    for number in range(MAX_CONNECTIONS + 5):
        attack.enter_context(connect(metrics_port, f"127.0.1.{1 + number % 15}"))
    for path in ("/livez", "/readyz", "/metrics"):
        response = httpx.get(f"http://127.0.0.1:{metrics_port}{path}", timeout=WITHIN_SECONDS)
        assert response.status_code == 200
