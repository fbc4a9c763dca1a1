"""HTTP/2 by a real server: nginx over TLS, in front of the one that misbehaves."""

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
from tests.support.attempts import Ended, Pod
from tests.support.http_faults import Behaviour, Exchange, FaultServer, answer, head
from tests.support.http_ranges import ETAG, ranged, ranges
from tests.support.kubectl import wait_for
from tests.support.ports import free_ports
from tools.cluster.certificates import Authority
from tools.cluster.host import require_program

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
      proxy_pass {origin}; proxy_buffering off; proxy_set_header X-Came-By $server_protocol;
    }}
  }}
}}
"""


@dataclass
class Nginx:
    """One that is running."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def run(self, pod: Pod, url: str) -> Ended:
        return pod.end(self.start(pod, url))

    def start(self, pod: Pod, url: str) -> subprocess.Popen[str]:
        secure = f"https://127.0.0.1:{self.port}/{url.partition('://')[2].partition('/')[2]}"
        return pod.start(secure, SSL_CERT_FILE=str(self.folder / "ca.crt"))


def begin(folder: Path) -> "subprocess.Popen[bytes]":
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
    running = Nginx(folder, port, begin(folder))
    yield running
    with suppress(ProcessLookupError):
        running.process.terminate()
    running.process.wait()


def halfway(reached: threading.Event, go_on: threading.Event) -> Behaviour:
    """Send half of the body, and the rest when told to."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head("200 OK", ETAG, f"Content-Length: {len(BODY)}") + BODY[: len(BODY) // 2])
        reached.set()
        go_on.wait(60)
        exchange.send(BODY[len(BODY) // 2 :])

    return behave


def test_a_file_comes_by_http_2(pod: Pod, server: FaultServer, nginx: Nginx) -> None:
    ended = nginx.run(pod, server.on("/x", ranged(BODY)))
    assert ended.code == EXIT_DONE, ended.out
    assert ended.result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert "X-Came-By: HTTP/2.0" in server.heads[0]


def test_a_body_that_ends_with_its_stream_is_not_marked(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    """Frames say where a body ends, also where no length is told."""
    open_ended = head("200 OK") + b"hello"
    ended = nginx.run(pod, server.on("/x", lambda exchange: exchange.send(open_ended)))
    assert (ended.code, ended.result.lengthUnverified) == (EXIT_DONE, None), ended.out
    assert list(pod.files().values()) == [b"hello"]


def test_a_stream_that_is_reset_is_gone_on_with(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    url = server.on("/x", ranged(BODY, cut_after=5_000_000), ranged(BODY))
    ended = nginx.run(pod, url)
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "ConnectionLost"), ended.out
    assert [name for name in pod.files() if ".part" not in name] == []
    assert nginx.run(pod, url).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    (_, start) = ranges(server)
    assert start
    assert start > 1_000_000


def test_a_server_that_says_goodbye_may_finish_its_streams(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    """Told to quit, nginx sends GOAWAY and serves what was begun."""
    reached, go_on = threading.Event(), threading.Event()
    process = nginx.start(pod, server.on("/x", halfway(reached, go_on)))
    assert reached.wait(30)
    nginx.process.send_signal(signal.SIGQUIT)
    wait_for("no new connections", lambda: not_listening(nginx.port))
    go_on.set()
    ended = pod.end(process)
    assert ended.code == EXIT_DONE, ended.out
    assert list(pod.files().values()) == [BODY]


def test_a_server_that_is_gone_is_gone_on_with_when_it_is_back(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    url = server.on("/x", halfway(reached, go_on), ranged(BODY))
    process = nginx.start(pod, url)
    assert reached.wait(30)
    wait_for("bytes", lambda: sum(path.stat().st_size for path in pod.parts()) > 2_000_000)
    nginx.process.terminate()
    nginx.process.wait()
    go_on.set()
    ended = pod.end(process)
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "ConnectionLost"), ended.out
    nginx.process = begin(nginx.folder)
    assert nginx.run(pod, url).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    assert ranges(server)[-1]


def test_headers_and_statuses_are_read_the_same(
    pod: Pod, server: FaultServer, nginx: Nginx
) -> None:
    ended = nginx.run(pod, server.on("/x", answer(404, b"no")))
    assert (ended.result.reason, ended.result.httpStatus) == ("HTTPStatus", 404)


def not_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
