"""Every documented error, caused by a request."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import yaml

from download_api.problems.problem import ErrorType
from download_api.server.bodies import MAX_BODY_BYTES
from download_api.server.streams import MAX_STREAMS
from tests.support.api_process import KEY, StartApi, api_servers
from tests.support.callers import RUN_ID, Callers
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.generate.manifests import REPOSITORY

NEW = {"name": "n", "url": "https://example.com/", "cron_expression": "0 2 * * *"}
FILE = {"location": "volume://data/file", "bytes": 4}


@dataclass(frozen=True)
class Scene:
    """An API in front of the team's schedule `report`, which has one run."""

    api: httpx.Client
    start: StartApi
    kubectl: Kubectl
    cluster: LocalCluster
    folder: Path

    @property
    def report(self) -> str:
        return f"/schedules/{self.kubectl.namespace}.report"

    @property
    def run(self) -> str:
        return f"{self.report}/history/{RUN_ID}"

    def add_file(self, spec: dict[str, Any], **run: Any) -> str:
        """Create a schedule with a run that kept a file; return the path of its content."""
        self.kubectl.apply(schedule("kept", **spec))
        entry = {"id": RUN_ID, "job": "j", "trigger": "Manual", "state": "Completed", **run}
        self.kubectl.patch("dls", "kept", {"status": {"history": [entry]}}, "--subresource=status")
        return f"/schedules/{self.kubectl.namespace}.kept/history/{RUN_ID}/content"


@pytest.fixture(scope="module")
def scene(
    cluster: LocalCluster, callers: Callers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("errors")
    with api_servers(cluster.kubeconfig, folder) as start:
        api = start(
            key=KEY,
            namespace=callers.team.namespace,
            content_volumes=f"{callers.team.namespace}/data={folder}",
        )
        yield Scene(api, start, callers.team, cluster, folder)


def bad_request(scene: Scene) -> httpx.Response:
    return send(scene, b"GET /schedules HTTP/1.1\r\nno header\r\n\r\n")


def send(scene: Scene, *texts: bytes) -> httpx.Response:
    """Send what no client would send; return the response."""
    address = (scene.api.base_url.host, scene.api.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as connection:
        for text in texts:
            connection.sendall(text)
            time.sleep(0.5)
        start, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    status_line, *lines = start.decode().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return httpx.Response(int(status_line.split()[1]), headers=headers, content=body)


def forbidden(scene: Scene) -> httpx.Response:
    s3 = {"bucket": "downloads", "credentialsSecretRef": {"name": "s3"}}
    content = scene.add_file({"destination": {"s3": s3}}, location="s3://downloads/a")
    return scene.api.get(content)


def run_active(scene: Scene) -> httpx.Response:
    scene.kubectl.patch("dls", "report", {"status": {"active": 1}}, "--subresource=status")
    response = scene.api.post(f"{scene.report}/run")
    scene.kubectl.patch("dls", "report", {"status": {"active": 0}}, "--subresource=status")
    return response


def conflict(scene: Scene) -> httpx.Response:
    """Others write the schedule so often that each version is outdated before it is written."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            scene.api.post(f"{scene.report}/suspend", headers={"X-Request-ID": f"n{number}"})

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()

    def refused() -> httpx.Response | None:
        response = scene.api.patch(scene.report, json={"backoff_limit": 2})
        return response if response.status_code != 200 else None

    try:
        return wait_for("a conflict", refused, timeout=120, every=0)
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def range_not_satisfiable(scene: Scene) -> httpx.Response:
    (scene.folder / "file").write_text("file")
    try:
        return scene.api.get(scene.add_file({}, **FILE), headers={"Range": "bytes=4-"})
    finally:
        (scene.folder / "file").unlink()


def idempotency_key_reused(scene: Scene) -> httpx.Response:
    headers = {"Idempotency-Key": "once"}
    scene.api.post("/schedules", json=NEW, headers=headers)
    return scene.api.post("/schedules", json={**NEW, "enabled": False}, headers=headers)


def rate_limit_exceeded(scene: Scene) -> httpx.Response:
    api = scene.start(rate_limit="1")
    api.get("/cron/preview?expr=@daily")
    return api.get("/cron/preview?expr=@daily")


def too_many_streams(scene: Scene) -> httpx.Response:
    limits = httpx.Limits(max_connections=2 * MAX_STREAMS)
    with ExitStack() as opened:
        client = httpx.Client(
            base_url=scene.api.base_url, headers=scene.api.headers, limits=limits, timeout=30
        )
        opened.enter_context(client)
        for _ in range(MAX_STREAMS):
            opened.enter_context(client.stream("GET", "/events"))
        return scene.api.get("/events")


def cluster_unavailable(scene: Scene) -> httpx.Response:
    kubeconfig = yaml.safe_load(scene.cluster.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = scene.folder / "kubeconfig-without-a-server"
    path.write_text(json.dumps(kubeconfig))
    return scene.start(kubeconfig=path).get("/schedules")


CASES: dict[ErrorType, Callable[[Scene], httpx.Response]] = {
    "bad_request": bad_request,
    "body_too_large": lambda scene: scene.api.post("/schedules", content=b" " * 2 * MAX_BODY_BYTES),
    "cluster_unavailable": cluster_unavailable,
    "conflict": conflict,
    "content_gone": lambda scene: scene.api.get(scene.add_file({}, **FILE)),
    "content_not_found": lambda scene: scene.api.get(f"{scene.run}/content"),
    "execution_not_found": lambda scene: scene.api.get(f"{scene.report}/history/none"),
    "forbidden": forbidden,
    "idempotency_key_reused": idempotency_key_reused,
    "invalid_cron_expression": lambda scene: scene.api.get("/cron/preview?expr=61+*+*+*+*"),
    "log_not_found": lambda scene: scene.api.get(f"{scene.run}/log"),
    "method_not_allowed": lambda scene: scene.api.put("/schedules"),
    "not_found": lambda scene: scene.api.get("/no/such/route"),
    "precondition_failed": lambda scene: scene.api.patch(
        scene.report, json={}, headers={"If-Match": '"another"'}
    ),
    "range_not_satisfiable": range_not_satisfiable,
    "rate_limit_exceeded": rate_limit_exceeded,
    "run_active": run_active,
    "schedule_not_found": lambda scene: scene.api.get("/schedules/team.nothing"),
    "too_many_streams": too_many_streams,
    "unauthorized": lambda scene: scene.api.get("/schedules", headers={"X-API-Key": "wrong"}),
    "validation_error": lambda scene: scene.api.post("/schedules", json={**NEW, "backoff": 1}),
}
"""A request that causes each error."""


def documented() -> dict[str, set[int]]:
    """Return the statuses of each error in the guide's table."""
    text = (REPOSITORY / "docs" / "guides" / "http-api.md").read_text().partition("## Errors")[2]
    statuses: dict[str, set[int]] = {}
    for status, error_types in re.findall(r"^\| (\d{3}) \| ([^|]*) \|", text, re.MULTILINE):
        for error_type in re.findall(r"`(\w+)`", error_types):
            statuses.setdefault(error_type, set()).add(int(status))
    return statuses


def test_the_guide_names_every_error() -> None:
    in_unit_tests = {"internal_error", "too_many_connections"}  # no single request causes them
    assert documented().keys() == set(get_args(ErrorType)) == CASES.keys() | in_unit_tests


@pytest.mark.parametrize("error_type", CASES)
def test_error_has_its_documented_form(scene: Scene, error_type: ErrorType) -> None:
    response = CASES[error_type](scene)
    problem = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["detail"] == {
        "success": False,
        "error": problem["title"],
        "error_type": error_type,
    }
    assert {response.status_code} == {problem["status"]} == documented()[error_type]
    assert ("Retry-After" in response.headers) == (response.status_code in (409, 429, 503))


def test_malformed_body_after_a_response_is_not_logged(scene: Scene) -> None:
    request = b"POST /schedules HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert send(scene, request, b"no chunk\r\n").status_code == 401
    assert "Traceback" not in (scene.folder / "api-0.log").read_text()


def test_body_that_is_not_json_is_refused(scene: Scene) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"\xff\xfe", b'{"name": "\xff"}', b"[" * 100_000, b"{"):
        response = scene.api.post("/schedules", content=body, headers=headers)
        assert (response.status_code, response.json()["status"]) == (422, 422)
        assert "send JSON in UTF-8" in response.json()["detail"]["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "/schedules", [], "body: write an object"),
        ("POST", "/schedules", {**NEW, "request": 1}, "body.request: write an object"),
        ("POST", "/schedules", {**NEW, "headers": []}, "body.headers: write an object"),
        (
            "POST",
            "/schedules",
            {**NEW, "verify": {"content_types": "a/b"}},
            "body.verify.content_types: write an array",
        ),
        (
            "POST",
            "/schedules",
            {**NEW, "namespace": "A"},
            "body.namespace: a namespace is at most 63 of a-z, 0-9 and -; write for example team",
        ),
        ("GET", "/no/such/route", None, "There is no such route; GET /openapi.json lists them."),
        (
            "PUT",
            "/schedules",
            None,
            "The route does not support this method; it supports GET, POST.",
        ),
    ],
)
def test_refusal_says_what_to_write(
    scene: Scene, method: str, path: str, body: object, message: str
) -> None:
    response = scene.api.request(method, path, json=body)
    assert response.json()["detail"]["error"] == message


def test_json_with_another_content_type_is_refused(scene: Scene) -> None:
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        for method, path in (("POST", "/schedules"), ("PATCH", scene.report)):
            response = scene.api.request(method, path, content=json.dumps(NEW), headers=headers)
            assert response.status_code == 422
            assert "Content-Type: application/json" in response.json()["detail"]["error"]


def test_response_about_a_thousand_members_is_short(scene: Scene) -> None:
    nonsense = {f"{number}{'x' * 900}": 1 for number in range(1000)}
    for method, path in (("POST", "/schedules"), ("PUT", scene.report), ("PATCH", scene.report)):
        response = scene.api.request(method, path, json={**NEW, **nonsense})
        assert response.status_code == 422
        assert "and 990 more" in response.json()["detail"]["error"]
        assert len(response.content) < 10_000
