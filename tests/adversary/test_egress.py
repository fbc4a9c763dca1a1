"""An author of schedules aims at the API server, at a denied address and at another team's range.

The operator writes the CronJobs on a real API server, and the worker runs with what is in them.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from download_schedule.attempt.variables import JOB_VARIABLE
from tests.support import http_faults
from tests.support.attempts import RUN_PROGRAM
from tests.support.http_faults import FaultServer, redirect, respond
from tests.support.operator_process import operators
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

LOOPBACK = "127.0.0.0/8"
EVERYTHING = "0.0.0.0/0,::/0"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server that is not at the API server's address."""
    with http_faults.run_server("127.0.0.2") as running:
        yield running


class Attacker:
    """Writes schedules in one namespace, and sees the results of their runs."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        self._kubectl = kubectl
        self._folder = folder

    def fetch(self, name: str, url: str, **spec: Any) -> dict[str, Any]:
        """Apply a schedule, run the Pod of its CronJob, and return the result document."""
        self._kubectl.apply(schedule(name, url=url, **spec))
        cron_job = wait_for("the CronJob", lambda: self._kubectl.get("cronjob", name))
        pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        variables = {item["name"]: item.get("value", "") for item in pod["containers"][0]["env"]}
        termination_log = self._folder / f"{name}.json"
        subprocess.run(
            [sys.executable, "-c", RUN_PROGRAM, str(self._folder), str(termination_log)],
            # The kubelet replaces $$ by $, which no URL here has.
            env={"PATH": "/usr/bin:/bin", **variables, JOB_VARIABLE: name},
            check=False,
            capture_output=True,
        )
        result: dict[str, Any] = json.loads(termination_log.read_text())
        return result


@pytest.fixture
def attacker(kubectl: Kubectl, tmp_path: Path) -> Attacker:
    (tmp_path / "pod").mkdir()
    return Attacker(kubectl, tmp_path / "pod")


def test_api_server_is_out_of_reach_although_its_range_is_allowed(
    cluster: LocalCluster,
    attacker: Attacker,
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its address, in another spelling, and by a redirect. Everything else stays allowed."""
    address, port = cluster.layout.address, cluster.layout.api_port
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", address)
    urls = {
        "direct": f"https://{address}:{port}/livez",
        "mapped": f"https://[::ffff:{address}]:{port}/livez",
        "redirected": server.on("/to", redirect(f"https://{address}:{port}/livez")),
    }
    with operators(cluster.kubeconfig, tmp_path) as start:
        start(allow_cidrs=EVERYTHING)
        for name, url in urls.items():
            assert attacker.fetch(name, url)["reason"] == "AddressRefused", name
        assert not attacker.fetch("fine", server.on("/x", respond(200))).get("reason")


def test_denied_range_is_out_of_reach_although_everything_is_allowed(
    cluster: LocalCluster, attacker: Attacker, server: FaultServer, tmp_path: Path
) -> None:
    """By its address, in another spelling, by a name, and by a redirect."""
    port = urlsplit(server.on("/x", respond(200))).port
    with (
        http_faults.run_server("127.0.0.3") as allowed,
        operators(cluster.kubeconfig, tmp_path) as start,
    ):
        start(allow_cidrs=EVERYTHING, deny_cidrs="127.0.0.1/32,127.0.0.2/32,::1/128")
        urls = {
            "direct": f"http://127.0.0.2:{port}/x",
            "mapped": f"http://[::ffff:127.0.0.2]:{port}/x",
            "number": f"http://2130706434:{port}/x",
            "named": f"http://localhost:{port}/x",
            "redirected": allowed.on("/to", redirect(f"http://127.0.0.2:{port}/x")),
        }
        for name, url in urls.items():
            assert attacker.fetch(name, url)["reason"] == "AddressRefused", name
        assert not attacker.fetch("fine", allowed.on("/x", respond(200))).get("reason")
    assert server.requests == []


def test_address_of_a_name_inside_is_not_told(
    cluster: LocalCluster, attacker: Attacker, tmp_path: Path
) -> None:
    with operators(cluster.kubeconfig, tmp_path) as start:
        start()
        result = attacker.fetch("inside", "http://localhost:8080/")
    assert result["reason"] == "AddressRefused", result
    assert "localhost" in result["message"]
    assert not re.search(r"127\.0|::1", json.dumps(result))


def test_api_server_answers_without_the_deny_list(
    cluster: LocalCluster, attacker: Attacker, tmp_path: Path
) -> None:
    """Without this, the test above would prove nothing."""
    with operators(cluster.kubeconfig, tmp_path) as start:
        start(allow_cidrs=EVERYTHING)
        result = attacker.fetch("direct", f"{cluster.layout.server()}/livez")
    assert result["reason"] == "TLSFailed", result


def test_range_of_another_team_is_out_of_reach(
    cluster: LocalCluster, attacker: Attacker, server: FaultServer, tmp_path: Path
) -> None:
    url = server.on("/x", respond(200))
    allow = [{"cidr": LOOPBACK, "namespaces": ["somebody-else"]}]
    with operators(cluster.kubeconfig, tmp_path) as start:
        start(allow=json.dumps(allow))
        result = attacker.fetch("theirs", url)
    assert result["reason"] == "AddressRefused", result
    assert server.requests == []


def test_other_ports_of_an_allowed_range_are_out_of_reach(
    kubectl: Kubectl,
    cluster: LocalCluster,
    attacker: Attacker,
    server: FaultServer,
    tmp_path: Path,
) -> None:
    url = server.on("/x", respond(200))
    port = urlsplit(url).port
    allow = [{"cidr": LOOPBACK, "namespaces": [kubectl.namespace], "ports": [port]}]
    with operators(cluster.kubeconfig, tmp_path) as start:
        start(allow=json.dumps(allow))
        assert not attacker.fetch("open", url).get("reason")
        for number, other in enumerate((25, 6379, cluster.layout.etcd_port)):
            result = attacker.fetch(f"closed-{number}", f"http://127.0.0.2:{other}/")
            assert result["reason"] == "PortRefused", result
            assert f"cannot be reached at port {other}" in result["message"]


def test_ports_of_other_protocols_are_closed_everywhere(
    cluster: LocalCluster, attacker: Attacker, tmp_path: Path
) -> None:
    with operators(cluster.kubeconfig, tmp_path) as start:
        start(allow_cidrs=EVERYTHING)
        for port in (22, 25, 110, 389, 445, 1023):
            for host in ("127.0.0.2", "93.184.216.34"):
                result = attacker.fetch(f"{port}-{host}", f"http://{host}:{port}/")
                assert result["reason"] == "PortRefused", result
