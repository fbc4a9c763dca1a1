"""Files, addresses and ports of a local cluster. Pure."""

import json
from dataclasses import dataclass
from pathlib import Path

NODE = "local"
NODE_ADDRESS = "10.99.0.1"
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
"""The name that Kubernetes uses. The program in our image is compiled here."""


@dataclass(frozen=True)
class Layout:
    """Where everything of one cluster is.

    Attributes:
        name: Name of the cluster.
        folder: Folder of all its files.
        address: Address at which the machine reaches the API server.
        api_port: Port of the API server.
        etcd_port: Port of etcd; the next one is for its peers.
        isolated: Whether it runs in network, mount and process namespaces of its own.
    """

    name: str
    folder: Path
    address: str
    api_port: int = 6443
    etcd_port: int = 2379
    isolated: bool = True

    @property
    def socket(self) -> Path:
        """The socket of the supervisor."""
        return self.folder / "supervisor.sock"

    @property
    def pki(self) -> Path:
        """Folder of keys and certificates."""
        return self.folder / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        return self.folder / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """The socket of containerd. It exists only inside the namespaces."""
        return Path("/run/containerd/containerd.sock")

    @property
    def cgroup(self) -> str:
        """The cgroup above those of all Pods."""
        return f"/download-operator-{self.name}"

    @property
    def advertised(self) -> str:
        """The address at which Pods reach the API server."""
        return NODE_ADDRESS if self.isolated else self.address

    def log(self, component: str) -> Path:
        """Return the log of a component."""
        return self.folder / "logs" / f"{component}.log"

    def server(self) -> str:
        """Return the URL of the API server."""
        return f"https://{self.address}:{self.api_port}"

    def to_json(self) -> str:
        """Return everything but the folder, for :func:`from_json`."""
        members = ("name", "address", "api_port", "etcd_port", "isolated")
        return json.dumps({name: getattr(self, name) for name in members})


def from_json(folder: Path, text: str) -> Layout:
    """Return the layout that was written into *folder*."""
    return Layout(folder=folder, **json.loads(text))
