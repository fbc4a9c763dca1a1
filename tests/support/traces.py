"""What a local cluster leaves on the machine."""

import subprocess
from pathlib import Path

from tools.cluster import local


def traces_of(name: str) -> list[str]:
    """Return processes, mounts, cgroups and files of a cluster that the machine still has."""
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    mounts = Path("/proc/mounts").read_text()
    folder = f"/clusters/{name}/"
    lines = [line for line in (processes.stdout + mounts).splitlines() if folder in line]
    cgroups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/download-operator-{name}")]
    return lines + cgroups + [str(path) for path in local.CLUSTERS.glob(name)]
