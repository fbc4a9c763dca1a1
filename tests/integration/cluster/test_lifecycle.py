"""Clusters come up, stay apart, tell what died, and go without a trace."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl, wait_for
from tools import cluster as clusters
from tools.cluster import LocalCluster, binaries, local
from tools.cluster.components import CONTROL_PLANE, NODE_COMPONENTS
from tools.cluster.host import is_root

with_a_node = pytest.mark.skipif(not is_root(), reason="makes a node, which needs root")


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"life-{os.getpid()}"
    yield chosen
    local.down(chosen)


def kubectl(cluster: LocalCluster) -> Kubectl:
    return Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)


def traces(name: str) -> list[str]:
    """Whatever of a cluster the machine still shows."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    mounts = Path("/proc/mounts").read_text()
    folder = f"/clusters/{name}/"
    cgroups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/download-operator-{name}")]
    lines = [line for line in (found.stdout + mounts).splitlines() if folder in line]
    return lines + cgroups + [str(p) for p in local.CLUSTERS.glob(name)]


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@with_a_node
def test_up_twice_is_once_and_down_leaves_nothing(name: str) -> None:
    before = links()
    first = local.up(name, node=True)
    claim_uid = kubectl(first).get("namespace", "default")["metadata"]["uid"]
    second = local.up(name, node=True)
    assert kubectl(second).get("namespace", "default")["metadata"]["uid"] == claim_uid
    assert set(clusters.status(name, "local").values()) == {"running"}
    assert traces(name)
    local.down(name)
    local.down(name)
    assert traces(name) == []
    wait_for("the wire's end", lambda: links() == before)
    assert clusters.status(name, "local") == {}


@with_a_node
def test_one_that_was_interrupted_is_made_anew(name: str) -> None:
    command = [sys.executable, "-m", "tools.cluster", "up", "--node", "--mode=local"]
    with subprocess.Popen([*command, f"--name={name}"], stderr=subprocess.DEVNULL) as begun:
        wait_for("its node's beginning", (local.CLUSTERS / name / "pause.tar").exists, timeout=90)
        begun.send_signal(signal.SIGINT)
    assert begun.returncode
    local.up(name, node=True)
    assert set(clusters.status(name, "local")) >= {*CONTROL_PLANE, *NODE_COMPONENTS}
    assert set(clusters.status(name, "local").values()) == {"running"}


def test_two_side_by_side_do_not_know_each_other(name: str) -> None:
    other = f"{name}-b"
    try:
        one, two = local.up(name, node=False), local.up(other, node=False)
        kubectl(one)("create", "namespace", "mine")
        assert kubectl(two).get("namespace", "mine") is None
    finally:
        local.down(other)


def test_what_dies_is_named_with_the_end_of_its_log(name: str) -> None:
    made = local.up(name, node=False)
    made.check()
    made.signal("kube-scheduler", signal.SIGKILL)
    wait_for("its death", lambda: clusters.status(name, "local")["kube-scheduler"] != "running")
    with pytest.raises(local.ComponentError, match=r"kube-scheduler died.*end of its log") as told:
        made.check()
    assert len(str(told.value).splitlines()) > 3
    local.up(name, node=False).check()


def test_a_component_restarted_keeps_the_data(name: str) -> None:
    made = local.up(name, node=False)
    kubectl(made)("create", "namespace", "kept")
    made.restart("kube-apiserver")
    assert kubectl(made).get("namespace", "kept")


def test_the_machine_s_proxy_is_not_asked_for_the_cluster(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    made = local.up(name, node=False)
    assert kubectl(made).get("namespace", "default")
    wait_for("a controller's work", lambda: kubectl(made).get("serviceaccount", "default"))


def test_by_hand(name: str) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools.cluster", *arguments, f"--name={name}", "--mode=local"],
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("status").returncode == 1
    assert "export KUBECONFIG=" in run("up").stdout
    assert "kube-apiserver" in run("status").stdout
    assert run("down").returncode == 0
