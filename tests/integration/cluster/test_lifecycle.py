"""Clusters come up, stay apart, report what died, and go without a trace."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.traces import traces_of
from tools import cluster as clusters
from tools.cluster import LocalCluster, binaries, local
from tools.cluster.components import CONTROL_PLANE, NODE_COMPONENTS
from tools.cluster.host import is_root
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.network import LINK_PREFIX
from tools.cluster.processes import ComponentError

with_a_node = pytest.mark.skipif(not is_root(), reason="makes a node, which needs root")


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"life-{os.getpid()}"
    yield chosen
    local.down(chosen)


@pytest.fixture(scope="module")
def shared_name() -> Iterator[str]:
    """The name of a control plane that tests leave up."""
    chosen = f"shared-life-{os.getpid()}"
    yield chosen
    local.down(chosen)


def kubectl(cluster: LocalCluster) -> Kubectl:
    return Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)


def links() -> set[str]:
    """Return the kernel's numbers of all links. It gives no number twice."""
    return {path.read_text() for path in Path("/sys/class/net").glob("*/ifindex")}


def link_of(cluster: LocalCluster) -> str:
    number = cluster.layout.address.split(".")[2]
    return Path(f"/sys/class/net/{LINK_PREFIX}{number}/ifindex").read_text()


@with_a_node
def test_cluster_that_is_up_is_reused_and_down_leaves_nothing(name: str) -> None:
    first = local.up(name, node=True)
    uid = kubectl(first).get("namespace", "default")["metadata"]["uid"]

    second = local.up(name, node=True)
    assert kubectl(second).get("namespace", "default")["metadata"]["uid"] == uid
    assert set(clusters.status(name, "local").values()) == {"running"}
    assert traces_of(name)
    link = link_of(first)
    assert link in links()

    assert local.down(name)
    assert not local.down(name)
    assert traces_of(name) == []
    wait_for("the end of the network link", lambda: link not in links())
    assert clusters.status(name, "local") == {}


@with_a_node
def test_cluster_whose_creation_was_killed_is_created_again(name: str) -> None:
    command = [sys.executable, "-m", "tools.cluster", "up", "--node", "--mode=local"]
    with subprocess.Popen([*command, f"--name={name}"], stderr=subprocess.DEVNULL) as creating:
        wait_for("the start of its node", (local.CLUSTERS / name / "pause.tar").exists, timeout=90)
        creating.kill()
    local.up(name, node=True)
    assert set(clusters.status(name, "local")) >= {*CONTROL_PLANE, *NODE_COMPONENTS}
    assert set(clusters.status(name, "local").values()) == {"running"}


def test_two_clusters_share_nothing(shared_name: str) -> None:
    other = f"{shared_name}-b"
    try:
        one, two = local.up(shared_name, node=False), local.up(other, node=False)
        kubectl(one)("create", "namespace", "mine")
        assert kubectl(two).get("namespace", "mine") is None
    finally:
        local.down(other)


def test_dead_component_is_reported_with_the_end_of_its_log(shared_name: str) -> None:
    cluster = local.up(shared_name, node=False)
    cluster.check()
    cluster.signal("kube-scheduler", signal.SIGKILL)
    wait_for(
        "its death", lambda: clusters.status(shared_name, "local")["kube-scheduler"] != "running"
    )
    with pytest.raises(ComponentError, match=r"kube-scheduler died.*end of its log") as raised:
        cluster.check()
    assert len(str(raised.value).splitlines()) > 3
    local.up(shared_name, node=False).check()


def test_component_keeps_its_data_when_it_is_restarted(shared_name: str) -> None:
    cluster = local.up(shared_name, node=False)
    kubectl(cluster)("create", "namespace", "kept")
    cluster.restart("kube-apiserver")
    assert kubectl(cluster).get("namespace", "kept")


def test_cluster_is_reached_without_the_proxy_of_the_machine(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    cluster = local.up(name, node=False)
    assert kubectl(cluster).get("namespace", "default")
    wait_for("a controller's work", lambda: kubectl(cluster).get("serviceaccount", "default"))


def test_commands_create_show_and_remove_a_cluster(name: str) -> None:
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
