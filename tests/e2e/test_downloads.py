"""Downloads and their failures, with real ticks, real Pods and Kubernetes' own backoff."""

import hashlib
import json
import urllib.request
from typing import Any

import pytest

from tests.e2e.runs import ask
from tests.support.schedules import schedule
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.demo import install
from tools.demo.webserver import content

pytestmark = pytest.mark.timeout(1200)

EVERY_MINUTE = "* * * * *"
TICK_SECONDS = 100.0
BACKOFF_SECONDS = 240.0
"""Kubernetes waits 10, 20 and 40 seconds before the second, third and fourth attempt."""


def ended_run(kubectl: Kubectl, name: str, timeout: float) -> dict[str, Any]:
    """Return the first run of the schedule once it is over."""

    def ended() -> dict[str, Any] | None:
        runs = kubectl.get("dls", name).get("status", {}).get("history", [])
        return runs[-1] if runs and runs[-1]["state"] in ("Completed", "Failed") else None

    return wait_for(f"the end of a run of {name}", ended, timeout, every=1)


def test_downloads_and_failures(stage: Cluster, namespace: Kubectl) -> None:
    """They run side by side, because each waits for a tick or for its retries."""
    volume = {"volume": {"claimName": "data"}}
    namespace.apply(
        install.claim("data"),
        *install.author("ann", namespace.namespace),
        schedule(
            "report", url=f"{install.WEB_URL}/files/a", schedule=EVERY_MINUTE, destination=volume
        ),
        schedule("missing", url=f"{install.WEB_URL}/nothing", schedule=EVERY_MINUTE),
        schedule("broken", url=f"{install.WEB_URL}/status/500"),
        schedule(
            "flaky", url=f"{install.WEB_URL}/flaky/{namespace.namespace}", schedule=EVERY_MINUTE
        ),
    )
    namespace("wait", "--for=condition=Ready", "dls", "--all", "--timeout=120s")
    ask(namespace, "broken", "once")  # It takes longest, and need not wait for a tick.
    token = install.api_token(namespace, "ann")
    with install.port_forward(stage, "download-operator-api") as url:
        by_http = create_by_http(url, token, namespace.namespace)
        check_report(namespace)
        check_missing(namespace)
        check_flaky(namespace)
        check_http(namespace, url, token, by_http)
        check_broken(namespace)
        check_deletion(namespace)


def check_report(kubectl: Kubectl) -> None:
    run = ended_run(kubectl, "report", TICK_SECONDS)
    served = hashlib.sha256(content("a")).hexdigest()
    assert (run["state"], run["sha256"], run["bytes"]) == ("Completed", served, len(content("a")))
    assert install.sha256_on_claim(kubectl, "data", run["location"]) == served
    assert kubectl("get", "dls", "report").split()[-5:-2]  # the columns are filled in


def check_missing(kubectl: Kubectl) -> None:
    """A 404 fails the run without retries."""
    run = ended_run(kubectl, "missing", TICK_SECONDS)
    assert (run["state"], run["attempts"], run["httpStatus"]) == ("Failed", 1, 404)
    assert run["reason"] == "HTTPStatus"
    assert "answered 404" in run["message"]


def check_flaky(kubectl: Kubectl) -> None:
    """A server that fails once is tried again."""
    run = ended_run(kubectl, "flaky", TICK_SECONDS)
    assert (run["state"], run["attempts"]) == ("Completed", 2)
    assert run["sha256"] == hashlib.sha256(content(kubectl.namespace)).hexdigest()
    assert "answered 500" in run["message"]


def check_broken(kubectl: Kubectl) -> None:
    """A 500 is tried four times."""
    run = ended_run(kubectl, "broken", BACKOFF_SECONDS)
    assert (run["state"], run["attempts"], run["httpStatus"]) == ("Failed", 4, 500)
    assert run["reason"] == "HTTPStatus"
    assert "answered 500" in run["message"]
    assert kubectl.get("dls", "broken")["status"]["consecutiveFailures"] == 1


def check_deletion(kubectl: Kubectl) -> None:
    """Nothing is left of the schedules once they are deleted."""
    kubectl("delete", "dls", "--all")
    wait_for("nothing left", lambda: not kubectl.list("cronjobs,jobs,pods"), timeout=90)


def create_by_http(url: str, token: str, namespace: str) -> dict[str, Any]:
    body = {
        "name": "Price list",
        "url": f"{install.WEB_URL}/files/prices",
        "cron_expression": EVERY_MINUTE,
        "format": "raw",
        "namespace": namespace,
    }
    created = call(url, token, "/schedules", body)
    assert created["name"] == "Price list"
    return created


def check_http(kubectl: Kubectl, url: str, token: str, created: dict[str, Any]) -> None:
    ended_run(kubectl, created["resource"], TICK_SECONDS)
    history = call(url, token, f"/schedules/{created['id']}/history")
    assert history["executions"][-1]["status"] == "completed"
    assert history["executions"][-1]["content_size"] == len(content("prices"))
    execution = history["executions"][-1]["execution_id"]
    log = read(url, token, f"/schedules/{created['id']}/history/{execution}/log?follow=true")
    assert f"GET {install.WEB_URL}/files/prices".encode() in log


def call(url: str, token: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    response: dict[str, Any] = json.loads(read(url, token, path, body))
    return response


def read(url: str, token: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url + path, data, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        content: bytes = response.read()
        return content
