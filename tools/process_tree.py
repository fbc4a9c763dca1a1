"""Run a command so that no process of its whole tree is left when it is interrupted."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.command import Terminated

GRACE_SECONDS = 60.0
"""How long interrupted processes may take to remove what they have made, such as clusters."""
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def run(command: Sequence[str]) -> int:
    """Run *command* and return its exit code.

    If this process is interrupted, it interrupts the command, gives all of its descendants
    `GRACE_SECONDS` to end, and kills the rest.
    """
    _adopt_orphans()
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt as interrupt:
        # A terminal sends Ctrl-C to everybody, and a second one would disturb their cleaning up.
        if isinstance(interrupt, Terminated):
            _interrupt(process)
        end_descendants(GRACE_SECONDS)
        raise


def end_descendants(seconds: float) -> None:
    """Wait *seconds* for all descendants of this process to end, then kill those that are left."""
    end = time.monotonic() + seconds
    while descendants := _descendants(os.getpid()):
        if time.monotonic() > end:
            for pid in descendants:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.1)


def _adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Send SIGINT to a process and its children: pytest, and the processes that run its tests."""
    for pid in (process.pid, *_children(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)


def _descendants(pid: int) -> list[int]:
    children = _children(pid)
    return [*children, *(below for child in children for below in _descendants(child))]


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += map(int, path.read_text().split())
    return children


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
