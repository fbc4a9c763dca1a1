"""Bound the memory and the processor time of a browser's processes, all of them together.

No limit of the kernel fits: Chromium reserves more address space than RLIMIT_AS may name, the other
limits hold for one process while a page can have many, and a container may not make cgroups. So a
thread looks at what the processes use, many times a second.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from download_worker.errors import DownloadError, Reason

CPU_SECONDS: Final = 60
"""Ten times what a large ordinary page takes."""
RESERVED_BYTES: Final = 256 * 1024**2
"""Memory of the container that is not the browser's: for the worker with a PDF of 64 MiB, and for
what a page can allocate between two looks."""
POLL_SECONDS: Final = 0.02
LOOKS_PER_SEARCH: Final = 5
"""How often the memory is looked at before new processes are searched for."""

_PROC: Final = Path("/proc")
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_MEMORY_LINES: Final = ("RssAnon:", "RssShmem:")
"""Memory that the kernel cannot take back, in /proc/PID/status. Shared memory counts for each
process that has it."""


class BrowserLimits(NamedTuple):
    """What a browser may use."""

    memory_bytes: int
    cpu_seconds: float = CPU_SECONDS
    """Processor time after which a page that does not come to an end is at fault."""


USUAL_LIMITS: Final = BrowserLimits(1024**3 - RESERVED_BYTES)
"""What a container with 1 GiB leaves to the browser."""


def browser_memory(container_bytes: int) -> int:
    """Return how much memory a browser may use in a container with this limit."""
    return max(container_bytes - RESERVED_BYTES, container_bytes // 2)


class BrowserWatch:
    """Looks at the processes of one process group, and kills them once they use too much memory.

    Args:
        group: id of the process group.
        limits: what its processes may use.
    """

    def __init__(self, group: int, limits: BrowserLimits) -> None:
        self.has_killed = False
        self._group = group
        self._limits = limits
        self._end = threading.Event()

    def explain(self, error: DownloadError) -> DownloadError:
        """Return *error*, or what really was the matter if the page took too much."""
        if self.has_killed:
            used = f"more than {self._limits.memory_bytes // 1024**2} MiB of memory"
        elif error.reason is Reason.RENDER_TIMEOUT and self._cpu() >= self._limits.cpu_seconds:
            used = f"more than {self._limits.cpu_seconds:g} seconds of processor time"
        else:
            return error
        return page_too_complex(f"takes {used}")

    def watch(self) -> None:
        """Look until :meth:`end` is called."""
        looks = 0
        processes: list[int] = []
        while not self._end.wait(POLL_SECONDS):
            if looks % LOOKS_PER_SEARCH == 0:
                processes = list(group_members(self._group))
            looks += 1
            if sum(map(memory_of, processes)) > self._limits.memory_bytes:
                self.has_killed = True
                with suppress(ProcessLookupError):
                    os.killpg(self._group, signal.SIGKILL)
                return

    def end(self) -> None:
        """Have :meth:`watch` return."""
        self._end.set()

    def _cpu(self) -> float:
        return sum(map(cpu_seconds_of, group_members(self._group)))


@contextmanager
def watch_browser(group: int, limits: BrowserLimits) -> Iterator[BrowserWatch]:
    """Watch the processes of *group* until the block ends."""
    watch = BrowserWatch(group, limits)
    thread = threading.Thread(target=watch.watch, name="browser-watch")
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def page_too_complex(cause: str) -> DownloadError:
    """Return the error for a page that a browser cannot print here, in this attempt or another."""
    return DownloadError(
        Reason.TOO_COMPLEX,
        f"The page {cause} in the browser: write format html or raw, or have the administrator "
        "raise downloads.resources.",
    )


def group_members(group: int) -> Iterator[int]:
    """Yield the ids of the processes of a process group."""
    for folder in _PROC.iterdir():
        name = folder.name
        if name.isdecimal() and (fields := _stat(int(name))) and int(fields[2]) == group:
            yield int(name)


def memory_of(process: int) -> int:
    """Return how many bytes a process has in memory that the kernel cannot take back."""
    try:
        text = (_PROC / str(process) / "status").read_text()
    except OSError:
        return 0
    lines = (line.split() for line in text.splitlines() if line.startswith(_MEMORY_LINES))
    return sum(int(kibibytes) * 1024 for _, kibibytes, _ in lines)


def cpu_seconds_of(process: int) -> float:
    """Return the processor time of a process and of its children that have ended."""
    times = _stat(process)[11:15]
    return sum(map(int, times)) / _TICKS_PER_SECOND


def _stat(process: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty if there is no such process.

    The name of the program before them can contain anything, spaces and parentheses included.
    """
    try:
        text = (_PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
