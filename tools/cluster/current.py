"""The cluster of the person's own kubeconfig: used, never made, never taken down."""

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
        """Say that images have to get there by a registry of the person's own."""
        names = ", ".join(path.name for path in archives)
        host.say(f"your cluster cannot be given images directly: push {names} where it pulls")

    def down(self) -> None:
        """Leave it as it is."""


def up(name: str) -> CurrentCluster:
    """Use what KUBECONFIG, or the default path, says.

    Raises:
        system.MissingError: There is no such file.
    """
    told = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [Path(part) for part in told.split(":") if part]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise host.MissingError(f"{told} does not exist: set KUBECONFIG to your cluster's")
    return CurrentCluster(name, found)
