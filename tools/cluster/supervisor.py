"""The first process of a local cluster: starts its components and notices when one dies.

It runs as PID 1 of the cluster's own namespaces, so that everything it has started ends with it. It
serves requests on a Unix socket, one JSON document a connection.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

REAP_EVERY_SECONDS = 0.5
OWNER_GONE = 3
"""Exit code after the owner's end: nobody else is left who could remove the cluster."""


class Supervisor:
    """The components started so far, in the order of their start."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._specs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request: start, restart, signal, list or run."""
        with self._lock:
            match request["do"]:
                case "start":
                    self._start(request["name"], request["spec"])
                case "restart":
                    process = self._processes[request["name"]]
                    process.kill()
                    process.wait()
                    self._start(request["name"], self._specs[request["name"]])
                case "signal":
                    self._processes[request["name"]].send_signal(request["number"])
                case "run":
                    return _run(request["argv"])
        return {
            name: {"exit": process.poll(), "log": self._specs[name]["log"]}
            for name, process in self._processes.items()
        }

    def reap_orphans(self) -> None:
        """Wait for processes whose parents ended before them, as every PID 1 must."""
        while True:
            time.sleep(REAP_EVERY_SECONDS)
            with self._lock, contextlib.suppress(ChildProcessError):
                while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    ours = [p for p in self._processes.values() if p.pid == ended.si_pid]
                    if ours:
                        ours[0].poll()
                    else:
                        os.waitpid(ended.si_pid, 0)

    def stop(self) -> None:
        """Kill the components. Their data goes with the cluster, so none has to finish its work."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def _start(self, name: str, spec: dict[str, Any]) -> None:
        self._specs[name] = spec
        with Path(spec["log"]).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                spec["argv"],
                env={**os.environ, **spec["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _run(argv: list[str]) -> dict[str, Any]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "output": done.stdout + done.stderr}


def serve(path: Path) -> None:
    """Serve requests on the socket *path* until one says stop, or until a signal."""
    supervisor = Supervisor()
    threading.Thread(target=supervisor.reap_orphans, daemon=True).start()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        try:
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rw") as stream:
                    request = json.loads(stream.readline())
                    if request["do"] == "stop":
                        return
                    stream.write(json.dumps(supervisor.handle(request)) + "\n")
        finally:
            supervisor.stop()


def ask(path: Path, request: dict[str, Any], timeout: float = 120) -> dict[str, Any]:
    """Send a request to the supervisor behind the socket *path* and return its response.

    Raises:
        OSError: It does not respond.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            line = stream.readline()
    return json.loads(line) if line else {}


def _end_with_owner(pipe: int) -> None:
    """Send this process SIGHUP once no process holds the other end of *pipe* open."""
    os.read(pipe, 1)
    # To the main thread: only there does a signal interrupt the wait for a request.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGHUP)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(OWNER_GONE if number == signal.SIGHUP else 0)


def main() -> None:
    """Serve on the socket of the command line, for as long as the owner's pipe is open."""
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGHUP, _exit)
    socket_path, *owner = sys.argv[1:]
    if owner:
        threading.Thread(target=_end_with_owner, args=(int(owner[0]),), daemon=True).start()
    serve(Path(socket_path))


if __name__ == "__main__":
    main()
