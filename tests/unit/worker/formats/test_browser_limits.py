"""What the processes of a browser use together, and what happens once it is too much."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.formats.browser_limits import (
    BrowserLimits,
    browser_memory,
    cpu_seconds_of,
    group_members,
    memory_of,
    watch_browser,
)
from tools.cluster.kubectl import wait_for

MEBIBYTE = 1024**2
GONE = 2**30
"""No process has this id."""
TIMEOUT = DownloadError(Reason.RENDER_TIMEOUT, "too slow")


@contextmanager
def group(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program as the first process of a group."""
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def allocating(mebibytes: int, then: str = "time.sleep(60)") -> str:
    return f"import subprocess, sys, time; x = bytearray(b'x') * ({mebibytes} << 20); {then}"


def test_memory_of_all_processes_of_the_group_counts() -> None:
    child = f"subprocess.run([sys.executable, '-c', {allocating(40)!r}])"
    with group(allocating(20, child)) as process:
        wait_for(
            "the memory", lambda: sum(map(memory_of, group_members(process.pid))) > 60 * MEBIBYTE
        )
        assert process.pid in group_members(process.pid)


@pytest.mark.parametrize("process", [GONE])
def test_process_that_has_ended_uses_nothing(process: int) -> None:
    assert memory_of(process) == 0
    assert cpu_seconds_of(process) == 0
    assert list(group_members(process)) == []


def test_group_with_too_much_memory_is_killed() -> None:
    limits = BrowserLimits(50 * MEBIBYTE)
    with group(allocating(200)) as process, watch_browser(process.pid, limits) as watch:
        assert process.wait(timeout=30) == -signal.SIGKILL
        died = DownloadError(Reason.RENDER_FAILED, "it ended")
        error = watch.explain(died)
    assert error.reason is Reason.TOO_COMPLEX
    assert "more than 50 MiB of memory" in str(error)


def test_group_within_its_limits_is_left_alone() -> None:
    limits = BrowserLimits(500 * MEBIBYTE)
    with group("pass") as process, watch_browser(process.pid, limits) as watch:
        assert process.wait(timeout=30) == 0
        assert watch.explain(TIMEOUT) is TIMEOUT


def test_page_that_was_busy_when_the_time_was_over_is_at_fault() -> None:
    limits = BrowserLimits(500 * MEBIBYTE, cpu_seconds=0.1)
    with group("while True: pass") as process, watch_browser(process.pid, limits) as watch:
        wait_for("the processor time", lambda: cpu_seconds_of(process.pid) > 0.1)
        assert watch.explain(TIMEOUT).reason is Reason.TOO_COMPLEX
        other = DownloadError(Reason.TOO_LARGE, "too large")
        assert watch.explain(other) is other


@pytest.mark.parametrize(("container", "browser"), [(1024, 768), (512, 256), (384, 192)])
def test_browser_may_use_what_the_worker_does_not_need(container: int, browser: int) -> None:
    assert browser_memory(container * MEBIBYTE) == browser * MEBIBYTE
