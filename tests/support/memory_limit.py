"""Limit the memory of processes as the kubelet limits that of a container."""

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tools.cluster import cgroups
from tools.cluster.kubectl import wait_for


@dataclass(frozen=True)
class MemoryLimit:
    """A limit of memory.

    Attributes:
        folder: the cgroup; None where this machine has none that the test may create.
    """

    folder: Path | None

    def wrap(self, *command: str) -> list[str]:
        """Return the command that runs *command* under the limit, in a process of the same id."""
        if self.folder is None:
            return list(command)
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._processes), *command]

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed because they reached the limit."""
        if self.folder is None:
            return 0
        files = (self.folder / name for name in ("memory.events", "memory.oom_control"))
        text = next(file for file in files if file.exists()).read_text()
        counts = re.findall(r"^oom_kill (\d+)$", text, re.MULTILINE)
        return int(counts[0])

    @property
    def _processes(self) -> Path:
        return Path(f"{self.folder}/cgroup.procs")


NO_LIMIT: Final = MemoryLimit(None)


@contextmanager
def memory_limit(mebibytes: int) -> Iterator[MemoryLimit]:
    """Have a limit until the block ends. What then still runs under it is killed."""
    folder = _create(mebibytes * 1024**2)
    if folder is None:
        print("no writable cgroup: the limit is not enforced, only compared with what was used")
    try:
        yield MemoryLimit(folder)
    finally:
        if folder:
            _remove(folder)


def _remove(folder: Path) -> None:
    def is_gone() -> bool:
        for process in (folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        with suppress(OSError):
            folder.rmdir()
        return not folder.exists()

    wait_for("the end of the processes under a limit", is_gone)


def _create(limit: int) -> Path | None:
    """Create a cgroup, of version 1 or 2, below the test's own one; return None if that fails."""
    parent, limits = _version_1() if (cgroups.ROOT / "memory").is_dir() else _version_2()
    try:
        folder = Path(tempfile.mkdtemp(prefix="download-operator-test-", dir=parent))
    except OSError:
        return None
    try:
        (folder / limits.memory).write_text(str(limit))
    except OSError:  # the parent does not hand the controller on
        folder.rmdir()
        return None
    if (folder / limits.swap).exists():
        (folder / limits.swap).write_text(str(limit if limits.swap_includes_memory else 0))
    return folder


class _Limits(NamedTuple):
    """Files of a cgroup."""

    memory: str
    swap: str
    swap_includes_memory: bool


def _version_1() -> tuple[Path, _Limits]:
    limits = _Limits("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", True)
    return _own_folder(cgroups.ROOT / "memory", "memory"), limits


def _version_2() -> tuple[Path, _Limits]:
    return _own_folder(cgroups.ROOT, ""), _Limits("memory.max", "memory.swap.max", False)


def _own_folder(hierarchy: Path, controller: str) -> Path:
    """Return the folder of the test's own cgroup, or the root if that is out of sight."""
    own = Path("/proc/self/cgroup").read_text()
    match = re.search(rf"^\d+:{controller}:/(.*)$", own, re.MULTILINE)
    folder = hierarchy / match[1] if match else hierarchy
    return folder if folder.is_dir() else hierarchy
