"""The operator as a process of its own, started, killed and started again."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support import forked
from tests.support.memory_limit import NO_LIMIT, MemoryLimit
from tools.cluster.kubectl import NotSeenError, wait_for
from tools.cluster.ports import free_ports

WORKING = "Lease acquired: working"
STANDING_BY = "standing by for the Lease"
START_SECONDS = 120
"""Longest start of a process: two seconds of a processor, for which it waits on a busy machine."""


class Operator:
    """One ``python -m download_operator``.

    Args:
        kubeconfig: the cluster.
        log: file to which the process appends its log.
        limit: of the process's memory.
        is_fork: False for an interpreter of its own, which imports modules with its own variables.
        settings: settings by name, without the prefix and in lower case.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        limit: MemoryLimit = NO_LIMIT,
        is_fork: bool = True,
        /,
        **settings: str,
    ) -> None:
        self._limit = limit
        self._modules: tuple[str, ...] = forked.OPERATOR if is_fork else ()
        (self.health_port,) = free_ports(1)
        self.log = log
        self.log.touch()
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "DOWNLOAD_OPERATOR_WORKER_IMAGE": "example.com/worker:1",
            "DOWNLOAD_OPERATOR_HEALTH_PORT": str(self.health_port),
            # The same after a restart, as in a Pod: the process need not wait for the Lease.
            "DOWNLOAD_OPERATOR_IDENTITY": str(log),
            **{f"DOWNLOAD_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        self._log_start = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return forked.start(
                self._modules,
                ["-m", "download_operator"],
                limit=self._limit,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def begin_log(self) -> None:
        """Have :meth:`logged` return only what comes from now on."""
        self._log_start = self.log.stat().st_size

    def logged(self) -> str:
        """Return the log, or its end since :meth:`begin_log`."""
        return self.log.read_bytes()[self._log_start :].decode()

    def has_logged(self, text: str) -> bool:
        """Whether :meth:`logged` contains *text*."""
        return text in self.logged()

    def wait_until_working(self, times: int = 1) -> None:
        """Wait until it has the Lease and a complete cache, for the *times*-th time."""
        try:
            wait_for(
                "the operator's start",
                lambda: self.log.read_text().count(WORKING) >= times,
                timeout=START_SECONDS,
            )
        except NotSeenError as error:
            raise NotSeenError(f"{error}; its log: {self.log.read_text()[-2000:]}") from None

    def wait_until_standing_by(self) -> None:
        """Wait until it has a complete cache, but not the Lease."""
        wait_for("the standby's cache", lambda: self.has_logged(STANDING_BY), timeout=START_SECONDS)

    def get(self, path: str) -> httpx.Response:
        """Send a GET to its health port."""
        return httpx.get(f"http://127.0.0.1:{self.health_port}{path}", timeout=10)

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the process as Kubernetes would; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def start_again(self) -> None:
        """Start after :meth:`kill` or :meth:`stop`, and wait until it works."""
        times = self.log.read_text().count(WORKING) + 1
        self.start_without_waiting()
        self.wait_until_working(times)

    def start_without_waiting(self) -> None:
        """Start after :meth:`kill` or :meth:`stop`."""
        self.process = self._start()


StartOperator = Callable[..., Operator]
"""Starts an operator with these settings; with ``wait=False``, without waiting until it works."""


@contextmanager
def operators(
    kubeconfig: Path, folder: Path, limit: MemoryLimit = NO_LIMIT
) -> Iterator[StartOperator]:
    """Yield what starts operators, which are stopped when the block ends.

    Their logs are `operator-0.log`, `operator-1.log` and so on in `folder`. They share the limit of
    memory, if there is one.
    """
    started: list[Operator] = []

    def start(*, wait: bool = True, **settings: str) -> Operator:
        log = folder / f"operator-{len(started)}.log"
        operator = Operator(kubeconfig, log, limit, **settings)
        started.append(operator)
        if wait:
            operator.wait_until_working()
        return operator

    try:
        yield start
    finally:
        for operator in started:
            operator.stop()
            print(operator.log.read_text())
