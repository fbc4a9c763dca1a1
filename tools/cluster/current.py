"""The cluster of the user's own kubeconfig: never created here and never removed."""

import os
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import host


@dataclass(frozen=True)
class CurrentCluster:
    """A cluster that somebody else looks after."""

    name: str
    kubeconfig: Path
    mode: str = "current"

    def load(self, *archives: Path) -> None:
        """Say that the user has to push the images to a registry."""
        names = ", ".join(path.name for path in archives)
        host.say(f"images cannot be loaded into your cluster: push {names} to its registry")

    def down(self) -> None:
        """Leave it as it is."""


def up(name: str) -> CurrentCluster:
    """Return the cluster of KUBECONFIG, or of the default kubeconfig.

    Raises:
        MissingError: There is no such file.
    """
    value = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [Path(part) for part in value.split(":") if part]
    kubeconfig = next((file for file in files if file.is_file()), None)
    if kubeconfig is None:
        raise host.MissingError(f"{value} does not exist: set KUBECONFIG to your cluster's")
    return CurrentCluster(name, kubeconfig)
