"""The choice of a cluster, and the command lines and files of its processes."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from tools import cluster as clusters
from tools.cluster import addons, binaries, components, current, host, image_archive, local, modes
from tools.cluster.addons import VOLUMES
from tools.cluster.host import MissingError
from tools.cluster.paths import Layout

LAYOUT = Layout("x", Path("/state/x"), "10.201.1.2")
PROGRAMS = {
    name: Path("/bin") / name for module in binaries.MODULES.values() for name in module.packages
}


@pytest.mark.parametrize(
    ("environment", "docker_works", "option", "mode"),
    [
        ({}, False, None, "local"),
        ({}, True, None, "kind"),
        ({"CLUSTER": "local"}, True, None, "local"),
        ({"CLUSTER": "kind"}, False, None, "kind"),
        ({"CLUSTER": "current"}, True, None, "current"),
        ({"CLUSTER": "kind"}, True, "local", "local"),
    ],
)
def test_mode_is_the_option_or_the_variable_or_what_works(
    environment: dict[str, str], docker_works: bool, option: str | None, mode: str
) -> None:
    assert modes.choose(environment, lambda: docker_works, option) == mode


def test_unknown_mode_is_refused_with_the_modes_that_exist() -> None:
    with pytest.raises(modes.UsageError, match="write current, kind or local"):
        modes.choose({"CLUSTER": "minikube"}, lambda: True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "-x", "A", "x" * 41])
def test_invalid_name_of_a_cluster_is_refused(name: str) -> None:
    with pytest.raises(modes.UsageError, match="cannot be the name of a cluster"):
        modes.check_name(name)


def test_empty_name_does_not_remove_all_clusters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "CLUSTERS", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(modes.UsageError, match="'' cannot be the name"):
        clusters.down("", "local")
    assert other.exists()


def test_hosts_are_added_to_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "intranet,localhost")
    monkeypatch.delenv("NO_PROXY", raising=False)
    host.reach_directly("localhost", "10.201.1.2")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet,localhost,10.201.1.2"


@pytest.mark.parametrize("module", ["tools.demo", "tools.demo.deploy"])
def test_error_is_one_line_without_a_traceback(module: str) -> None:
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


def test_cluster_without_namespaces_listens_on_loopback_only() -> None:
    layout = Layout("x", Path("/state/x"), "127.0.0.1", 7001, 7002, isolated=False)
    text = " ".join(
        part
        for name in components.CONTROL_PLANE
        for part in components.argv(name, layout, PROGRAMS)
    )
    assert "0.0.0.0" not in text
    assert "--secure-port=7001" in text


def test_node_files_have_the_formats_of_their_programs() -> None:
    files = components.node_files(LAYOUT, PROGRAMS)
    containerd = tomllib.loads(files["containerd.toml"])
    runtime = containerd["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/bin/runc"
    assert json.loads(files["kubelet.json"])["cgroupRoot"] == "/download-operator-x"


def test_node_brings_dns_a_default_storage_class_and_volumes() -> None:
    kinds = [item["kind"] for item in addons.manifests(LAYOUT)]
    assert kinds.count("PersistentVolume") == VOLUMES
    assert {"Service", "EndpointSlice", "StorageClass"} < set(kinds)


def test_image_archive_has_the_format_of_docker_save(tmp_path: Path) -> None:
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


def test_unknown_program_is_refused_with_the_programs_that_exist() -> None:
    with pytest.raises(binaries.BuildError, match=r"kubeadm is not one of the programs.*kubelet"):
        binaries.ensure("kubeadm")


def test_current_cluster_needs_a_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(MissingError, match="set KUBECONFIG"):
        current.up("x")
    (tmp_path / "none").touch()
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path}/missing:{tmp_path}/none")
    cluster = current.up("x")
    assert cluster.kubeconfig == tmp_path / "none"
    cluster.load(tmp_path / "image.tar")
    cluster.down()
    assert cluster.kubeconfig.exists()
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingError, match=rf"{tmp_path}/\.kube/config does not exist"):
        current.up("x")
