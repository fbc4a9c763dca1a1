"""A cluster of kind, in a Docker engine."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tools.cache import CACHE
from tools.cluster import binaries, host
from tools.errors import ToolError

KUBECONFIGS = CACHE / "kind"
OLDEST_KIND = (0, 26)
"""The first kind whose own node image has Kubernetes 1.32, the oldest that the chart accepts."""
CREATE_SECONDS = 300
READY_SECONDS = 60.0
"""How long a cluster that exists may take until its node is Ready. One that kind was still creating
when it was interrupted never is."""
CONFIGURATION = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
"""
_LABEL = "io.x-k8s.kind.cluster"
_READY = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"


class KindError(ToolError):
    """kind failed. The message ends with its output."""


@dataclass(frozen=True)
class KindCluster:
    """A cluster that is up."""

    name: str
    kubeconfig: Path
    mode: str = "kind"

    def load(self, *archives: Path) -> None:
        """Load images, as `docker save` writes them, onto the node."""
        for archive in archives:
            _kind("load", "image-archive", str(archive), f"--name={self.name}")

    def down(self) -> None:
        """Delete it."""
        down(self.name)


def up(name: str) -> KindCluster:
    """Return the cluster of that name. Create it unless it exists and works.

    KIND_IMAGE names the node image; kind's own is the default. A node that was stopped is started.

    Raises:
        KindError: kind failed, or it is too old.
    """
    _check_version()
    KUBECONFIGS.mkdir(parents=True, exist_ok=True)
    cluster = KindCluster(name, _kubeconfig(name))
    if status(name):
        if _resume(cluster):
            return cluster
        host.say(f"the kind cluster {name} does not work, deleting it to create it again")
        down(name)
    _create(cluster)
    return cluster


def down(name: str) -> bool:
    """Delete the cluster. Return whether there was one."""
    _kubeconfig(name).unlink(missing_ok=True)
    if not status(name):
        return False
    _kind("delete", "cluster", f"--name={name}", f"--kubeconfig={_kubeconfig(name)}")
    return True


def status(name: str) -> dict[str, str]:
    """Return the state of each node, such as `running` or `exited`. Empty: no such cluster."""
    docker = shutil.which("docker")
    if docker is None:
        return {}
    filters = ["--all", f"--filter=label={_LABEL}={name}"]
    done = _run(docker, "ps", *filters, "--format={{.Names}} {{.State}}")
    lines = [line.split() for line in done.stdout.splitlines()] if not done.returncode else []
    return dict(lines)


def _kubeconfig(name: str) -> Path:
    return KUBECONFIGS / f"{name}.kubeconfig"


def _create(cluster: KindCluster) -> None:
    image = os.environ.get("KIND_IMAGE")
    host.say(f"creating the kind cluster {cluster.name}")
    _kind(
        *("create", "cluster", f"--name={cluster.name}", f"--kubeconfig={cluster.kubeconfig}"),
        *("--config=-", f"--wait={CREATE_SECONDS}s", *([f"--image={image}"] if image else [])),
        stdin=CONFIGURATION,
    )
    if not _becomes_ready(cluster):
        raise KindError(f"the node of the kind cluster {cluster.name} does not become Ready")


def _resume(cluster: KindCluster) -> bool:
    """Start the nodes that were stopped. Return whether the cluster works then."""
    for node, state in status(cluster.name).items():
        if state != "running":
            host.say(f"{node} is {state}, starting it")
            _run("docker", "start", node)
    try:
        where = [f"--name={cluster.name}", f"--kubeconfig={cluster.kubeconfig}"]
        _kind("export", "kubeconfig", *where)
    except KindError:
        return False
    return _becomes_ready(cluster)


def _becomes_ready(cluster: KindCluster) -> bool:
    """Return whether the node is Ready within `READY_SECONDS`."""
    end = time.monotonic() + READY_SECONDS
    while not _is_ready(cluster):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def _is_ready(cluster: KindCluster) -> bool:
    """Return whether the node is Ready, as its own kubectl sees it."""
    kubectl = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--request-timeout=5s"]
    node = f"{cluster.name}-control-plane"
    done = _run("docker", "exec", node, *kubectl, "get", "nodes", f"--output={_READY}")
    return done.returncode == 0 and set(done.stdout.split()) == {"True"}


def _check_version() -> None:
    """Refuse a kind on PATH whose node image has a Kubernetes that is too old for the chart.

    Raises:
        KindError: It is too old, and KIND_IMAGE does not name another node image.
    """
    program = shutil.which("kind")
    if program is None or "KIND_IMAGE" in os.environ:
        return
    version = _run(program, "version").stdout
    match = re.search(r"v(\d+)\.(\d+)", version)
    if match and tuple(map(int, match.groups())) < OLDEST_KIND:
        raise KindError(
            f"{program} is {version.strip()}, and its nodes run a Kubernetes that is too old for "
            f"the chart: install kind {'.'.join(map(str, OLDEST_KIND))} or later, or set "
            "KIND_IMAGE to a node image with Kubernetes 1.32 or later"
        )


def _kind(*arguments: str, stdin: str | None = None) -> str:
    program = shutil.which("kind") or str(binaries.ensure("kind")["kind"])
    done = _run(program, *arguments, stdin=stdin)
    if done.returncode:
        message = f"kind {arguments[0]} failed:\n{done.stderr.strip()[-2000:]}"
        if "pull image" in done.stderr:
            message += (
                "\nSet KIND_IMAGE to a node image that Docker has or can pull, or use CLUSTER=local"
            )
        raise KindError(message)
    return done.stdout


def _run(*command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
