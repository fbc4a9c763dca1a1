"""Clusters of kind, with stand-ins for kind and Docker: reuse, removal, and what can go wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.stub_kind import StubKind
from tools import cluster as clusters
from tools.cluster import kind, local, modes
from tools.cluster.kind import KindError
from tools.cluster.kubectl import wait_for
from tools.demo.install import CHART

NAME = "x"
NODE = f"{NAME}-control-plane"


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubKind:
    stub = StubKind(tmp_path)
    for variable, value in stub.environment().items():
        monkeypatch.setenv(variable, value)
    for variable in ("CLUSTER", "KIND_IMAGE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(kind, "KUBECONFIGS", tmp_path / "kubeconfigs")
    monkeypatch.setattr(kind, "READY_SECONDS", 1.0)
    monkeypatch.setattr(local, "CLUSTERS", tmp_path / "clusters")
    return stub


def run(*arguments: str, stub: StubKind, **environment: str) -> subprocess.CompletedProcess[str]:
    cache = {"XDG_CACHE_HOME": str(stub.folder / "cache"), "CLUSTER": ""}
    return subprocess.run(
        [sys.executable, "-m", "tools.cluster", *arguments, f"--name={NAME}"],
        env={**os.environ, **cache, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cluster_is_created_and_reused(stub: StubKind) -> None:
    created = kind.up(NAME)
    stub.set(nodes={**stub.state()["nodes"], NODE: {**stub.state()["nodes"][NODE], "mark": 1}})

    reused = kind.up(NAME)

    assert created == reused
    assert reused.kubeconfig.read_text() == "kubeconfig"
    assert stub.state()["nodes"][NODE]["mark"] == 1
    assert kind.status(NAME) == {NODE: "running"}


@pytest.mark.parametrize("has_kubeconfig", [False, True])
def test_cluster_is_created_again_if_its_creation_was_interrupted(
    stub: StubKind, capsys: pytest.CaptureFixture[str], has_kubeconfig: bool
) -> None:
    stub.add_node(NAME, has_kubeconfig=has_kubeconfig, ready=False)

    kind.up(NAME)

    assert stub.state()["nodes"][NODE]["ready"]
    assert f"the kind cluster {NAME} does not work, deleting it" in capsys.readouterr().err


def test_stopped_node_is_reported_and_started(
    stub: StubKind, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.add_node(NAME, state="exited", has_kubeconfig=True, ready=True)
    assert kind.status(NAME) == {NODE: "exited"}

    kind.up(NAME)

    assert kind.status(NAME) == {NODE: "running"}
    assert f"{NODE} is exited, starting it" in capsys.readouterr().err


def test_node_that_never_becomes_ready_is_an_error(
    stub: StubKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "_is_ready", lambda _: False)
    with pytest.raises(KindError, match="does not become Ready"):
        kind.up(NAME)


def test_interrupted_creation_leaves_no_node(stub: StubKind) -> None:
    stub.set(hangs_in_create=True)
    command = [sys.executable, "-m", "tools.cluster", "up", "--mode=kind", f"--name={NAME}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as creating:
        wait_for("the node", lambda: NODE in stub.state()["nodes"])
        creating.send_signal(signal.SIGTERM)
        _, errors = creating.communicate(timeout=30)

    assert creating.returncode == 130
    assert f"interrupted, removing the cluster {NAME}" in errors
    assert stub.state()["nodes"] == {}


def test_down_removes_the_cluster_without_a_mode_even_if_docker_cannot_pull(
    stub: StubKind,
) -> None:
    stub.add_node(NAME, has_kubeconfig=True, ready=True)
    stub.set(can_pull=False)

    removed, again = run("down", stub=stub), run("down", stub=stub)

    assert removed.stdout == f"removed the kind cluster {NAME}\n"
    assert again.stdout == f"there is no cluster {NAME}\n"
    assert stub.state()["nodes"] == {}


def test_down_removes_the_cluster_in_every_mode_that_has_it(stub: StubKind) -> None:
    stub.add_node(NAME, has_kubeconfig=True, ready=True)
    (local.CLUSTERS / NAME).mkdir(parents=True)
    assert clusters.down(NAME) == ["kind", "local"]
    assert clusters.down(NAME) == []


def test_down_with_a_mode_leaves_the_other_modes(stub: StubKind) -> None:
    stub.add_node(NAME, has_kubeconfig=True, ready=True)
    assert clusters.down(NAME, "local") == []
    assert kind.status(NAME)


def test_down_says_that_your_own_cluster_stays(stub: StubKind) -> None:
    done = run("down", "--mode=current", stub=stub)
    assert done.stdout == "the cluster of your kubeconfig stays as it is\n"


def test_status_shows_a_stopped_node(stub: StubKind) -> None:
    stub.add_node(NAME, state="exited", has_kubeconfig=True, ready=True)
    done = run("status", stub=stub)
    assert done.returncode == 1
    assert done.stdout.split() == [NODE, "exited"]


def test_image_that_cannot_be_pulled_is_reported_with_kind_image(stub: StubKind) -> None:
    stub.set(can_pull=False)
    with pytest.raises(KindError, match=r"failed to pull image[^$]*Set KIND_IMAGE to a node image"):
        kind.up(NAME)


def test_local_cluster_beside_a_docker_that_cannot_pull_is_announced(
    stub: StubKind, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clusters.choose_mode() == "kind"
    stub.set(can_pull=False)
    assert clusters.choose_mode() == "local"
    assert "Docker runs but cannot pull images: using a local cluster" in capsys.readouterr().err


def test_kind_that_is_too_old_for_the_chart_is_refused(
    stub: StubKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.set(version="v0.25.0")
    with pytest.raises(KindError, match=r"kind v0\.25\.0.*install kind 0\.26 or later, or set"):
        kind.up(NAME)
    monkeypatch.setenv("KIND_IMAGE", "kindest/node:v1.32.0")
    assert kind.up(NAME)


def test_oldest_kind_matches_the_chart() -> None:
    """kind 0.26 was the first whose node image has Kubernetes 1.32."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == ">=1.32.0-0"
    assert kind.OLDEST_KIND == (0, 26)


def test_images_are_loaded_onto_the_node(stub: StubKind) -> None:
    cluster = kind.up(NAME)
    cluster.load(Path("/a.tar"), Path("/b.tar"))
    assert stub.state()["loaded"] == ["/a.tar", "/b.tar"]


def test_failure_of_kind_is_one_message_without_a_traceback(stub: StubKind) -> None:
    stub.set(can_pull=False)
    done = run("up", "--mode=kind", stub=stub)
    assert done.returncode == 1
    assert "kind create failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_docker_without_an_engine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not modes.docker_runs()
    assert kind.status(NAME) == {}
