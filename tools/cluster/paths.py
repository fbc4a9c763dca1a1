"""Where everything of a local cluster is: files, addresses, ports. Pure."""

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
"""The name under which Kubernetes knows it; ours is compiled here."""


@dataclass(frozen=True)
class Layout:
    """One cluster.

    Attributes:
        name: Of the cluster.
        folder: Holds everything of it.
        address: At which the machine reaches the API server.
        api_port: Of the API server.
        etcd_port: Of etcd; the next one is for its peers.
        isolated: In network, mount and process namespaces of its own.
    """

    name: str
    folder: Path
    address: str
    api_port: int = 6443
    etcd_port: int = 2379
    isolated: bool = True

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.folder / "supervisor.sock"

    @property
    def pki(self) -> Path:
        """Folder of keys and certificates."""
        return self.folder / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens; only there inside of the namespaces."""
        return Path("/run/containerd/containerd.sock")

    @property
    def cgroup(self) -> str:
        """The cgroup under which all Pods are."""
        return f"/download-operator-{self.name}"

    @property
    def advertised(self) -> str:
        """The API server's address for Pods."""
        return NODE_ADDRESS if self.isolated else self.address

    def log(self, component: str) -> Path:
        """The log of a component."""
        return self.folder / "logs" / f"{component}.log"

    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.api_port}"
