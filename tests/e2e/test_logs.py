"""A log that is followed by a caller who loses the right to read it."""

import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.runs import ask, wait_for_run
from tests.support.api_process import api_servers
from tests.support.callers import AUDIENCE, account, bearer, binding, role
from tests.support.schedules import schedule
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.demo import install

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]

MAX_SECONDS = 60.0
"""The permission is cached for 30 s and checked at the next keep-alive, up to 15 s later."""
SILENCE = httpx.Timeout(30, read=2 * MAX_SECONDS)


def test_followed_log_ends_when_the_caller_loses_the_right(
    stage: Cluster, namespace: Kubectl, tmp_path: Path
) -> None:
    name = namespace.namespace
    namespace("create", "serviceaccount", "listener")
    names = ["downloadschedules", "downloadschedules/log"]
    namespace.apply(
        role("listener", [("downloads.dev", names, ["get"])]),
        binding("listener", account("listener", name)),
        schedule("long", url=f"{install.WEB_URL}/slow/400", request={"stallTimeoutSeconds": 600}),
    )
    ask(namespace, "long", "once")
    run = wait_for_run(namespace, "long", "once", state="Running")
    token = namespace("create", "token", "listener", f"--audience={AUDIENCE}").strip()
    log = f"/schedules/{name}.long/history/{run['id']}/log?follow=true"
    with api_servers(stage.kubeconfig, tmp_path) as start:
        api = start(auth="kubernetes")
        api.timeout = SILENCE
        api.headers.update(bearer(token))
        wait_for("the first line", lambda: b"/slow/400" in api.get(log.partition("?")[0]).content)
        with api.stream("GET", log) as response:
            assert response.status_code == 200
            pieces = response.iter_bytes()
            assert b"/slow/400" in next(pieces)
            namespace("delete", "rolebinding", "listener")
            began = time.monotonic()
            b"".join(pieces)
            assert time.monotonic() - began < MAX_SECONDS
        assert wait_for_run(namespace, "long", "once", state="Running")
        assert api.get(log).status_code == 404
