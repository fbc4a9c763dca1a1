"""The HTTP API as a process of its own, in front of a real API server."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx

from tests.support import forked
from tests.support.memory_limit import NO_LIMIT, MemoryLimit
from tests.support.operator_process import START_SECONDS
from tools.cluster.kubectl import wait_for
from tools.cluster.ports import free_ports

KEY = "a-key-for-tests"
"""Also in tests/integration/api/schemathesis.toml."""
_process_ids: dict[int, int] = {}
"""Of the last process that was started for each port."""


class StartApi(Protocol):
    """Starts a server; returns a client for it."""

    def __call__(
        self, *, key: str = "", kubeconfig: Path | None = None, **settings: str
    ) -> httpx.Client: ...


@contextmanager
def api_servers(
    default_kubeconfig: Path, folder: Path, limit: MemoryLimit = NO_LIMIT
) -> Iterator[StartApi]:
    """Yield what starts servers, which are stopped when the block ends.

    They share the limit of memory, if there is one.

    Their logs are `api-0.log`, `api-1.log` and so on in `folder`. Settings are keyword arguments in
    lower case, without the prefix of their variable. With `key`, the API has this shared key, and
    the client sends it.
    """
    processes: list[subprocess.Popen[bytes]] = []
    clients: list[httpx.Client] = []

    def start(*, key: str = "", kubeconfig: Path | None = None, **settings: str) -> httpx.Client:
        (port,) = free_ports(1)
        number = len(processes)
        if key:
            key_file = folder / f"api-{number}.key"
            key_file.write_text(key)
            settings["key_file"] = str(key_file)
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or default_kubeconfig),
            "DOWNLOAD_API_PORT": str(port),
            "DOWNLOAD_API_RATE_LIMIT": "0",
            "DOWNLOAD_API_METRICS_PORT": "0",
            **{f"DOWNLOAD_API_{name.upper()}": value for name, value in settings.items()},
        }
        log = folder / f"api-{number}.log"
        with log.open("wb") as output:
            process = forked.start(
                forked.API,
                ["-m", "download_api"],
                limit=limit,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        _process_ids[port] = process.pid
        headers = {"X-API-Key": key} if key else {}
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)
        clients.append(client)
        wait_for(
            f"the API, see {log}",
            lambda: process.poll() is not None or is_alive(client),
            timeout=START_SECONDS,
        )
        assert process.poll() is None, log.read_text()[-2000:]
        return client

    try:
        yield start
    finally:
        for client in clients:
            client.close()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=20) for process in processes]
    assert set(codes) <= {0, -signal.SIGTERM}, codes


def pid_of(client: httpx.Client) -> int:
    """Return the id of the process that serves a client."""
    return _process_ids[client.base_url.port or 0]


def is_alive(client: httpx.Client) -> bool:
    """Return whether the API responds to a request that needs neither a key nor the cluster."""
    try:
        return client.get("/openapi.json").status_code == 200
    except httpx.TransportError:
        return False
