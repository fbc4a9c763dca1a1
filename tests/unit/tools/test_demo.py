"""The demo: its table, and its schedule over HTTP."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tools.cluster import CurrentCluster, KindCluster
from tools.demo import __main__ as demo
from tools.demo import install
from tools.demo.__main__ import DemoError
from tools.demo.table import align

CLUSTER = KindCluster("mine", Path("/kubeconfig"))


class Api(http.server.BaseHTTPRequestHandler):
    """An HTTP API that lists what was created, or fails."""

    created: ClassVar[list[dict[str, Any]]] = []
    failing: ClassVar[bool] = False

    def do_GET(self) -> None:
        self.respond(500 if self.failing else 200, {"schedules": self.created})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.created.append({"name": body["name"], "resource": "price-list"})
        self.respond(201, self.created[-1])

    def respond(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    monkeypatch.setattr(Api, "created", [])
    with serving() as url:
        monkeypatch.setattr(install, "kubectl_of", lambda _: None)
        monkeypatch.setattr(install, "api_token", lambda *_: "token")
        monkeypatch.setattr(install, "port_forward", lambda *_: nullcontext(url))
        yield Api


def test_demo_that_runs_twice_creates_one_schedule_by_http(api: type[Api]) -> None:
    assert [demo._create_by_http(CLUSTER) for _ in range(2)] == ["price-list"] * 2
    assert len(api.created) == 1


def test_api_that_fails_is_an_error_without_a_traceback(
    api: type[Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "failing", True)
    with pytest.raises(DemoError, match="the HTTP API does not respond as it should"):
        demo._create_by_http(CLUSTER)


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    lines = align([("RUN", "STATE"), ("a-very-long-name-of-a-run-29923320", "Failed")]).splitlines()
    assert lines[0].index("STATE") == lines[1].index("Failed")


@pytest.mark.parametrize(
    ("cluster", "command"),
    [
        (CLUSTER, "make cluster-down CLUSTER=kind CLUSTER_NAME=mine"),
        (CurrentCluster("mine", Path("/kubeconfig")), "kubectl delete dls --all && helm uninstall"),
    ],
)
def test_removal_is_a_whole_command(
    cluster: KindCluster | CurrentCluster, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    demo._say_how_to_go_on(cluster)
    assert f"Remove it:    {command}" in capsys.readouterr().out
