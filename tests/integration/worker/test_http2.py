"""HTTP/2 from a real server: nginx over TLS, in front of the server that misbehaves."""

import hashlib
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_RETRY
from tests.support.attempts import FinishedAttempt, Pod
from tests.support.http_faults import Behaviour, Exchange, FaultServer, respond, response_head
from tests.support.http_ranges import ETAG, ranged, requested_ranges
from tools.cluster.certificates import Authority
from tools.cluster.host import require_program
from tools.cluster.kubectl import wait_for
from tools.cluster.ports import free_ports

BODY = random.Random(2).randbytes(8_000_000)
CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;
    location / {{
      proxy_pass {origin}; proxy_buffering off; proxy_set_header X-Protocol $server_protocol;
    }}
  }}
}}
"""


@dataclass
class Nginx:
    """A running nginx."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def run(self, pod: Pod, url: str) -> FinishedAttempt:
        return pod.finish(self.start(pod, url))

    def start(self, pod: Pod, url: str) -> subprocess.Popen[str]:
        secure = f"https://127.0.0.1:{self.port}/{url.partition('://')[2].partition('/')[2]}"
        return pod.start(secure, SSL_CERT_FILE=str(self.folder / "ca.crt"))


def start_nginx(folder: Path) -> "subprocess.Popen[bytes]":
    program = require_program("nginx", "nginx-light")
    process = subprocess.Popen([program, "-c", folder / "conf"], stderr=subprocess.DEVNULL)
    wait_for("nginx", (folder / "pid").exists)
    return process


@pytest.fixture
def nginx(tmp_path: Path, server: FaultServer) -> Iterator[Nginx]:
    folder = tmp_path / "nginx"
    folder.mkdir()
    Authority(folder).issue("server", "server", hosts=("127.0.0.1",))
    (port,) = free_ports(1)
    config = CONFIG.format(folder=folder, port=port, origin=server.origin)
    (folder / "conf").write_text(config)
    running = Nginx(folder, port, start_nginx(folder))
    yield running
    with suppress(ProcessLookupError):
        running.process.terminate()
    running.process.wait()


def pause_halfway(reached: threading.Event, resumed: threading.Event) -> Behaviour:
    """Send half of the body, and the rest once *resumed* is set."""

    def behave(exchange: Exchange) -> None:
        exchange.send(
            response_head("200 OK", ETAG, f"Content-Length: {len(BODY)}") + BODY[: len(BODY) // 2]
        )
        reached.set()
        resumed.wait(60)
        exchange.send(BODY[len(BODY) // 2 :])

    return behave


def test_http_2_is_used(pod: Pod, server: FaultServer, nginx: Nginx) -> None:
    attempt = nginx.run(pod, server.on("/x", ranged(BODY)))
    assert attempt.code == EXIT_DONE, attempt.out
    assert attempt.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert "X-Protocol: HTTP/2.0" in server.requests[0]


def test_body_that_ends_with_its_stream_is_verified(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    """Frames show where a body ends, even without a Content-Length."""
    without_length = response_head("200 OK") + b"hello"
    attempt = nginx.run(pod, server.on("/x", lambda exchange: exchange.send(without_length)))
    assert (attempt.code, attempt.result.lengthUnverified) == (EXIT_DONE, None), attempt.out
    assert list(pod.files().values()) == [b"hello"]


def test_reset_stream_is_resumed(pod: Pod, server: FaultServer, nginx: Nginx) -> None:
    url = server.on("/x", ranged(BODY, cut_after=5_000_000), ranged(BODY))
    attempt = nginx.run(pod, url)
    assert attempt.outcome == (EXIT_RETRY, "ConnectionLost"), attempt.out
    assert [name for name in pod.files() if ".part" not in name] == []
    assert nginx.run(pod, url).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    (_, start) = requested_ranges(server)
    assert start
    assert start > 1_000_000


def test_stream_is_finished_after_goaway(pod: Pod, server: FaultServer, nginx: Nginx) -> None:
    """On SIGQUIT, nginx sends GOAWAY and finishes its streams."""
    reached, resumed = threading.Event(), threading.Event()
    process = nginx.start(pod, server.on("/x", pause_halfway(reached, resumed)))
    assert reached.wait(30)
    nginx.process.send_signal(signal.SIGQUIT)
    wait_for("no new connections", lambda: is_closed(nginx.port))
    resumed.set()
    attempt = pod.finish(process)
    assert attempt.code == EXIT_DONE, attempt.out
    assert list(pod.files().values()) == [BODY]


def test_download_is_resumed_when_the_server_is_back(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    reached, resumed = threading.Event(), threading.Event()
    url = server.on("/x", pause_halfway(reached, resumed), ranged(BODY))
    process = nginx.start(pod, url)
    assert reached.wait(30)
    wait_for("bytes", lambda: sum(path.stat().st_size for path in pod.partial_files()) > 2_000_000)
    nginx.process.terminate()
    nginx.process.wait()
    resumed.set()
    attempt = pod.finish(process)
    assert attempt.outcome == (EXIT_RETRY, "ConnectionLost"), attempt.out
    nginx.process = start_nginx(nginx.folder)
    assert nginx.run(pod, url).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    assert requested_ranges(server)[-1]


def test_status_is_read(pod: Pod, server: FaultServer, nginx: Nginx) -> None:
    attempt = nginx.run(pod, server.on("/x", respond(404, b"no")))
    assert (attempt.result.reason, attempt.result.httpStatus) == ("HTTPStatus", 404)


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
