"""The operator under kopf's own command, for people who know kopf."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.ports import free_ports

COMMAND = ("run", "--standalone", "--all-namespaces", "-m", "download_operator.handlers")


def responds(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=10)
    except httpx.TransportError:
        return None


def test_kopf_run_starts_and_stops_the_operator(
    kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path
) -> None:
    kubectl.apply(schedule("report"))
    (port,) = free_ports(1)
    liveness = f"http://127.0.0.1:{port}/kopf"
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "DOWNLOAD_OPERATOR_WORKER_IMAGE": "example.com/worker:1",
        "DOWNLOAD_OPERATOR_NAMESPACES": kubectl.namespace,
        "DOWNLOAD_OPERATOR_LEASE_NAMESPACE": kubectl.namespace,
        "DOWNLOAD_OPERATOR_HEALTH_PORT": "0",
    }

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kopf", *COMMAND, f"--liveness={liveness}"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=120s")
            response = wait_for("kopf's liveness endpoint", lambda: responds(liveness))
            assert (response.status_code, response.json()) == (200, {"healthy": True})
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0

    holder = kubectl.get("lease", "download-operator")["spec"].get("holderIdentity", "")
    assert holder == ""  # it was released
    assert "Traceback" not in (tmp_path / "log").read_text()
