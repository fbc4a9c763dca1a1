"""The cgroups of a local cluster, in version 1 and 2 of cgroups."""

import os
from pathlib import Path

from tools.cluster.paths import Layout

ROOT = Path("/sys/fs/cgroup")
HIERARCHIES = (
    *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory"),
    *("net_cls", "net_prio", "perf_event", "pids", "systemd", "unified"),
)


def create(layout: Layout) -> None:
    """Create the cgroup above those of all Pods."""
    for folder in _folders(layout):
        folder.mkdir(exist_ok=True)
        _inherit_cpuset(folder)


def remove(layout: Layout) -> None:
    """Remove what is left of the cgroups once all processes have ended."""
    for folder in _folders(layout):
        for path, _, _ in os.walk(folder, topdown=False):
            Path(path).rmdir()


def _folders(layout: Layout) -> list[Path]:
    """Return the cluster's folder in each hierarchy of version 1, or in the one of version 2."""
    own = layout.cgroup.lstrip("/")
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT / own]
    return [ROOT / name / own for name in HIERARCHIES if (ROOT / name).is_dir()]


def _inherit_cpuset(folder: Path) -> None:
    """Fill a new cpuset of version 1, which is empty and admits no process."""
    for part in ("cpuset.cpus", "cpuset.mems"):
        file = folder / part
        if file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / part).read_text())
