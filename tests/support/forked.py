"""Processes that run Python programs without the start of an interpreter.

To start an interpreter and to import what our programs import takes from a quarter of a second to
five seconds of a processor, several times as long as most of what tests then have the process do. A
fork server has done both, and each process is a fork of it: with an id, an environment, a memory, a
coverage and an end of its own, and a child of the test.

What a start itself does is tested with real ones: see `tests/unit/worker/test_start.py`,
`tests/integration/worker/test_cli.py`, `tests/adversary` and `tests/e2e`.
"""

import atexit
import ctypes
import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.support.fork_server import COVERAGE, LENGTH
from tests.support.memory_limit import NO_LIMIT, MemoryLimit

WORKER = ("download_worker.attempt", "download_worker.cli", "download_worker.http.curl")
OPERATOR = ("download_operator.handlers",)
API = ("download_api.app", "download_api.server.protocol", "uvicorn")
"""Modules that the fork server of each program imports."""
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Beginnings of variables that only the start of a process reads."""
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
ROOT = Path(__file__).parents[2]


def start(
    modules: Sequence[str],
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: int | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    text: bool = False,
    limit: MemoryLimit = NO_LIMIT,
) -> subprocess.Popen[Any]:
    """Do what Popen does with Python and these arguments, which begin with ``-m`` or ``-c``.

    Args:
        modules: what the fork server imports. With none, a real interpreter starts.
        limit: with one, a real interpreter starts, all of whose memory counts.
    """
    options: dict[str, Any] = {
        "env": dict(env),
        "cwd": cwd,
        "stdin": stdin,
        "stdout": stdout,
        "stderr": stderr,
        "text": text,
    }
    if not modules or limit.folder or _read_at_start(env) != _read_at_start(os.environ):
        return subprocess.Popen(limit.wrap(sys.executable, *arguments), **options)
    measured = ("coverage",) if COVERAGE in env else ()
    return _Forked(_server((*modules, *measured)), arguments, **options)


def run(
    modules: Sequence[str],
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    stdin: bytes = b"",
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Do what :func:`subprocess.run` does, and return what the process wrote as text."""
    pipe = subprocess.PIPE
    with start(
        modules, arguments, env=env, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out.decode(), err.decode())


class _Server:
    """A fork server, until this process ends."""

    def __init__(self, modules: Sequence[str]) -> None:
        # Children of the server become children of this process, which can then wait for them.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lock = threading.Lock()
        self._connection, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            # Each child measures its coverage, or not, as its own environment says.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(number), *modules],
                cwd=ROOT,
                env={n: text for n, text in os.environ.items() if not n.startswith("COVERAGE")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
            )
        atexit.register(self._close)

    def fork(self, order: Mapping[str, Any], files: Sequence[int]) -> int:
        """Have it fork a process with these files as the first ones; return its id."""
        data = json.dumps(order).encode()
        with self._lock:
            socket.send_fds(self._connection, [LENGTH.pack(len(data))], files)
            self._connection.sendall(data)
            response = self._connection.recv(LENGTH.size)
        if not response:
            raise RuntimeError(f"the fork server has ended: {self._process.wait()}")
        number: int = LENGTH.unpack(response)[0]
        return number

    def _close(self) -> None:
        self._connection.close()
        self._process.wait()


_server = functools.cache(_Server)


class _Forked(subprocess.Popen[Any]):
    """A process of a fork server. Only its start differs from that of any other process."""

    def __init__(self, server: _Server, arguments: Sequence[str], **options: Any) -> None:
        self._server = server
        super().__init__(arguments, **options)

    def _execute_child(self, *arguments: Any) -> None:
        # CPython 3.11 to 3.14 pass the same arguments. A pipe is a pair: to read, to write.
        command, folder, environment = arguments[0], arguments[5], arguments[6]
        pipes = arguments[10:16]
        files = (pipes[0], pipes[3], pipes[5])
        try:
            self.pid = self._server.fork(
                {
                    "arguments": command,
                    "environment": environment,
                    "folder": str(folder or Path.cwd()),
                },
                [number if file == -1 else file for number, file in enumerate(files)],
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # not in typeshed


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith(_AT_START)}
