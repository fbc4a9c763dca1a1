"""A cluster of kind, in a Docker engine."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import binaries, host

KUBECONFIGS = binaries.CACHE / "kind"
CONFIGURATION = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
"""


class KindError(Exception):
    """kind failed; the message ends with its words."""


@dataclass(frozen=True)
class KindCluster:
    """A cluster that is up."""

    name: str
    kubeconfig: Path
    mode: str = "kind"

    def load(self, *archives: Path) -> None:
        """Put images, as `docker save` writes them, onto the node."""
        for archive in archives:
            _kind("load", "image-archive", str(archive), f"--name={self.name}")

    def down(self) -> None:
        """Delete it."""
        down(self.name)


def up(name: str) -> KindCluster:
    """Create the cluster unless it exists. KIND_IMAGE names the node image; unset: kind's own.

    Raises:
        KindError: kind failed.
    """
    KUBECONFIGS.mkdir(parents=True, exist_ok=True)
    kubeconfig = KUBECONFIGS / f"{name}.kubeconfig"
    if name in _kind("get", "clusters").split():
        _kind("export", "kubeconfig", f"--name={name}", f"--kubeconfig={kubeconfig}")
    else:
        image = os.environ.get("KIND_IMAGE")
        host.say(f"creating the kind cluster {name}")
        _kind(
            "create",
            "cluster",
            f"--name={name}",
            f"--kubeconfig={kubeconfig}",
            "--config=-",
            "--wait=300s",
            *([f"--image={image}"] if image else []),
            stdin=CONFIGURATION,
        )
    return KindCluster(name, kubeconfig)


def down(name: str) -> None:
    """Delete the cluster; nothing happens if there is none."""
    kubeconfig = KUBECONFIGS / f"{name}.kubeconfig"
    _kind("delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}")
    kubeconfig.unlink(missing_ok=True)


def status(name: str) -> dict[str, str]:
    """The state of each node; empty if there is no cluster."""
    nodes = _kind("get", "nodes", f"--name={name}").split()
    return {node: "running" for node in nodes if node.startswith(name)}


def _kind(*arguments: str, stdin: str | None = None) -> str:
    program = shutil.which("kind") or binaries.ensure("kind")["kind"]
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise KindError(f"kind {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout
