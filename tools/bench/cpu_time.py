"""Run a command and measure what it uses."""

import resource
import shlex
import statistics
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError


@dataclass(frozen=True)
class Usage:
    """What one command used."""

    seconds: float
    processor: float
    """Seconds of processor time, without the server's."""
    busy: float
    """Share of all processor time in which anything ran on the machine, including the server."""
    memory: float
    """Highest resident memory, in MB."""


def median(usages: list[Usage]) -> Usage:
    """Return the medians, and the highest memory."""
    return Usage(
        statistics.median(usage.seconds for usage in usages),
        statistics.median(usage.processor for usage in usages),
        statistics.median(usage.busy for usage in usages),
        max(usage.memory for usage in usages),
    )


def run(command: list[str], environment: dict[str, str]) -> Usage:
    """Run *command* to its end.

    Raises:
        ToolError: It failed; with its first words and its error output.
    """
    peak, processor = 0, _children_seconds()
    busy, ticks = _machine_ticks()
    started = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
        taken = time.monotonic() - started
        if process.returncode:
            errors = process.stderr.read() if process.stderr else ""
            raise ToolError(f"{shlex.join(command[:4])} … failed: {errors}")
    busy_now, ticks_now = _machine_ticks()
    share = (busy_now - busy) / max(ticks_now - ticks, 1)
    return Usage(taken, _children_seconds() - processor, share, peak / 1024)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _machine_ticks() -> tuple[int, int]:
    """Return busy and all clock ticks of all processors since the machine started.

    Source: the first line of proc_stat(5); its fourth and fifth figure are idle and iowait.
    """
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _memory(pid: int) -> int:
    """Return the highest resident memory of a process so far, in KiB."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])
    return 0
