"""Run a command and say what it took."""

import resource
import shlex
import statistics
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """What one command took."""

    seconds: float
    processor: float
    """Seconds of the processor, without the server's."""
    busy: float
    """Share of all processors' time in which anything ran on the machine, the server too."""
    memory: float
    """Most resident memory, in MB."""


def median(spent: list[Spent]) -> Spent:
    """Return the medians, and the most memory of all."""
    return Spent(
        statistics.median(each.seconds for each in spent),
        statistics.median(each.processor for each in spent),
        statistics.median(each.busy for each in spent),
        max(each.memory for each in spent),
    )


def run(command: list[str], environment: dict[str, str]) -> Spent:
    """Run *command* to its end.

    Raises:
        RuntimeError: it failed; with its first words and what it said.
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
            words = process.stderr.read() if process.stderr else ""
            raise RuntimeError(f"{shlex.join(command[:4])}… ended: {words}")
    busy_now, ticks_now = _machine_ticks()
    share = (busy_now - busy) / max(ticks_now - ticks, 1)
    return Spent(taken, _children_seconds() - processor, share, peak / 1024)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _machine_ticks() -> tuple[int, int]:
    """Return the ticks in which a processor was busy since the machine's start, and all of them.

    Source: proc_stat(5), the first line; idle and iowait are the fourth and fifth of its figures.
    """
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _memory(pid: int) -> int:
    """Return the most that a process has had in memory so far, in KiB."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])
    return 0
