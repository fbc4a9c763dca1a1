"""The HTTP API as a process of its own, in front of the real control plane."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.callers import People, people
from tests.support.kubectl import Kubectl, wait_for
from tests.support.ports import free_ports
from tools.cluster import LocalCluster

KEY = "a-key-for-tests"
_numbers = itertools.count(1)

StartApi = Callable[..., httpx.Client]


@pytest.fixture
def start_api(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartApi]:
    """Start servers that are stopped when the test ends; returns a client for each."""
    with servers(cluster.kubeconfig, tmp_path) as start:
        yield start


@contextmanager
def servers(administrator: Path, folder: Path) -> Iterator[StartApi]:
    """Let servers be started until the block ends, as `administrator` unless told otherwise."""
    started: list[subprocess.Popen[bytes]] = []
    clients: list[httpx.Client] = []

    def start(*, kubeconfig: Path = administrator, **settings: str) -> httpx.Client:
        (port,) = free_ports(1)
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "DOWNLOAD_API_PORT": str(port),
            "DOWNLOAD_API_RATE_LIMIT": "0",
            "DOWNLOAD_API_METRICS_PORT": "0",
            **{f"DOWNLOAD_API_{name.upper()}": value for name, value in settings.items()},
        }
        log = folder / f"api-{len(started)}.log"
        with log.open("wb") as output:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "download_api"],
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        clients.append(client)
        wait_for(f"the API, see {log}", lambda: _lives(client))
        return client

    yield start
    for client in clients:
        client.close()
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)


def pid_of(client: httpx.Client) -> int:
    """Return the process that serves this client."""
    variable = f"DOWNLOAD_API_PORT={client.base_url.port}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable in environment.read_bytes().split(b"\0"):
                return int(environment.parent.name)
    raise LookupError(variable)


def _lives(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def team(cluster: LocalCluster) -> Iterator[People]:
    """People with rights of their own, for all tests of a module."""
    with people(cluster, f"team{next(_numbers)}-{os.getpid()}") as made:
        yield made


@pytest.fixture
def api(start_api: StartApi, tmp_path: Path, kubectl: Kubectl) -> httpx.Client:
    """The API with a key, which the client sends, making schedules in the test's namespace."""
    file = tmp_path / "key"
    file.write_text(KEY)
    client = start_api(key_file=str(file), namespace=kubectl.namespace)
    client.headers["X-API-Key"] = KEY
    return client
