"""What the cluster's processes are told, and which cluster is chosen."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from tools import cluster as clusters
from tools.cluster import binaries, components, current, host, image_archive, local, modes
from tools.cluster.addons import VOLUMES, furnishing
from tools.cluster.host import MissingError
from tools.cluster.paths import Layout

LAYOUT = Layout("x", Path("/state/x"), "10.201.1.2")
PROGRAMS = {
    name: Path("/bin") / name for family in binaries.FAMILIES.values() for name in family.packages
}


@pytest.mark.parametrize(
    ("environment", "docker", "asked", "mode"),
    [
        ({}, False, None, "local"),
        ({}, True, None, "kind"),
        ({"CLUSTER": "local"}, True, None, "local"),
        ({"CLUSTER": "kind"}, False, None, "kind"),
        ({"CLUSTER": "current"}, True, None, "current"),
        ({"CLUSTER": "kind"}, True, "local", "local"),
    ],
)
def test_which_cluster(
    environment: dict[str, str], docker: bool, asked: str | None, mode: str
) -> None:
    assert modes.choose(environment, lambda: docker, asked) == mode


def test_an_unknown_mode_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="write current, kind or local"):
        modes.choose({"CLUSTER": "minikube"}, lambda: True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", "A", "x" * 41])
def test_what_is_no_name_of_a_cluster(name: str) -> None:
    with pytest.raises(ValueError, match="no cluster is called"):
        modes.check_name(name)


def test_no_name_removes_no_other_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "CLUSTERS", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ValueError, match="no cluster is called ''"):
        clusters.down("", "local")
    assert other.exists()


def test_hosts_are_added_to_those_that_need_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "intranet,localhost")
    monkeypatch.delenv("NO_PROXY", raising=False)
    host.reach_directly("localhost", "10.201.1.2")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet,localhost,10.201.1.2"


@pytest.mark.parametrize("module", ["tools.demo", "tools.demo.deploy"])
def test_what_is_wrong_is_said_in_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "x"],
        env={**os.environ, "CLUSTER": "minikube"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("CLUSTER is 'minikube'")
    assert "Traceback" not in done.stderr


def test_every_component_has_a_command_line() -> None:
    for component in (*components.CONTROL_PLANE, *components.NODE_COMPONENTS):
        assert components.argv(component, LAYOUT, PROGRAMS)[0] == f"/bin/{component}"


def test_without_namespaces_nothing_listens_beyond_loopback() -> None:
    layout = Layout("x", Path("/state/x"), "127.0.0.1", 7001, 7002, isolated=False)
    text = " ".join(
        part
        for name in components.CONTROL_PLANE
        for part in components.argv(name, layout, PROGRAMS)
    )
    assert "0.0.0.0" not in text
    assert "--secure-port=7001" in text


def test_node_files_are_what_their_readers_read() -> None:
    files = components.node_files(LAYOUT, PROGRAMS)
    containerd = tomllib.loads(files["containerd.toml"])
    runtime = containerd["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/bin/runc"
    assert json.loads(files["kubelet.json"])["cgroupRoot"] == "/download-operator-x"


def test_the_furnishing_has_dns_a_default_class_and_volumes() -> None:
    kinds = [item["kind"] for item in furnishing(LAYOUT)]
    assert kinds.count("PersistentVolume") == VOLUMES
    assert {"Service", "EndpointSlice", "StorageClass"} < set(kinds)


def test_an_image_archive(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    image_archive.write_image(path, "a/b:1", {"/pause": b"program"}, "/pause")
    with tarfile.open(path) as opened:
        manifest = json.load(opened.extractfile("manifest.json") or pytest.fail("no such member"))
        config = json.load(
            opened.extractfile(manifest[0]["Config"]) or pytest.fail("no such member")
        )
        assert manifest[0]["RepoTags"] == ["a/b:1"]
        assert config["config"]["Entrypoint"] == ["/pause"]
        assert config["rootfs"]["diff_ids"][0].startswith("sha256:")


def test_an_unknown_program_says_which_there_are() -> None:
    with pytest.raises(binaries.BuildError, match=r"no program is called kubeadm.*kubelet"):
        binaries.ensure("kubeadm")


def test_the_current_cluster_needs_a_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(MissingError, match="set KUBECONFIG"):
        current.up("x")
    (tmp_path / "none").touch()
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path}/missing:{tmp_path}/none")
    made = current.up("x")
    assert made.kubeconfig == tmp_path / "none"
    made.load(tmp_path / "image.tar")
    made.down()
    assert made.kubeconfig.exists()
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingError, match=rf"{tmp_path}/\.kube/config does not exist"):
        current.up("x")
