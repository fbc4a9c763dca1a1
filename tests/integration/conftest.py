"""The operator as a process of its own on the control plane, for all integration tests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import LocalCluster
from tests.kubectl import wait_for


class Operator:
    """One `python -m download_operator`."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.health_port = free.getsockname()[1]
        self.log = log
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "DOWNLOAD_OPERATOR_WORKER_IMAGE": "example.com/worker:1",
            "DOWNLOAD_OPERATOR_HEALTH_PORT": str(self.health_port),
            **{f"DOWNLOAD_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "download_operator"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_working(self, times: int = 1) -> None:
        """Wait until the picture is complete."""
        wait_for(
            f"the operator's start, log: {self.log.read_text()[-2000:]}",
            lambda: self.log.read_text().count("the picture is complete") >= times,
        )

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the process as Kubernetes would; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def start_again(self) -> None:
        """Start after :meth:`kill` or :meth:`stop`."""
        times = self.log.read_text().count("the picture is complete") + 1
        self.process = self._start()
        self.wait_until_working(times)


StartOperator = Callable[..., Operator]


@pytest.fixture
def start_operator(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartOperator]:
    """Start operators that are stopped when the test ends."""
    started: list[Operator] = []

    def start(**settings: str) -> Operator:
        log = tmp_path / f"operator-{len(started)}.log"
        log.touch()
        started.append(Operator(cluster.kubeconfig, log, **settings))
        started[-1].wait_until_working()
        return started[-1]

    yield start
    for operator in started:
        operator.stop()
        print(operator.log.read_text())


@pytest.fixture
def operator(start_operator: StartOperator) -> Operator:
    """A running operator that serves all namespaces."""
    return start_operator()
