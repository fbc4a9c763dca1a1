"""The first process of a local cluster: starts its components and notices when one dies.

Run as PID 1 of the cluster's own namespaces, so that whatever it started ends with it. It obeys
requests on a Unix socket, one JSON document a connection.
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
from typing import Any

JSON = dict[str, Any]

ORPHANS_EVERY = 0.5
STOP_SECONDS = 5.0


class Supervisor:
    """The components started so far, in the order of their start."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._specs: dict[str, JSON] = {}
        self._lock = threading.Lock()

    def handle(self, request: JSON) -> JSON:
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
        """Collect processes whose parents ended before them, as every PID 1 must."""
        while True:
            time.sleep(ORPHANS_EVERY)
            with self._lock, contextlib.suppress(ChildProcessError):
                while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    ours = [p for p in self._processes.values() if p.pid == ended.si_pid]
                    if ours:
                        ours[0].poll()
                    else:
                        os.waitpid(ended.si_pid, 0)

    def stop(self) -> None:
        """End the components, last started first: the API server must go before etcd."""
        for process in reversed(self._processes.values()):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, spec: JSON) -> None:
        self._specs[name] = spec
        with Path(spec["log"]).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                spec["argv"],
                env={**os.environ, **spec["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _run(argv: list[str]) -> JSON:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return {"code": done.returncode, "output": done.stdout + done.stderr}


def serve(path: Path) -> None:
    """Obey requests on the socket `path` until one says stop, or until SIGTERM."""
    supervisor = Supervisor()
    threading.Thread(target=supervisor.reap_orphans, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        try:
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rw") as stream:
                    request = json.loads(stream.readline())
                    if request["do"] == "stop":
                        supervisor.stop()
                        return
                    stream.write(json.dumps(supervisor.handle(request)) + "\n")
        finally:
            supervisor.stop()


def ask(path: Path, request: JSON, timeout: float = 120) -> JSON:
    """Send a request to the supervisor behind the socket `path`, and return its answer.

    Raises:
        OSError: It does not answer.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = stream.readline()
    return json.loads(answer) if answer else {}


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
