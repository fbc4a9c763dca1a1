"""Run the conversion of a stranger's page in a child process, with limits.

Nobody can tell from a page what its conversion takes: a megabyte of table cells takes minutes, and
a megabyte of line breaks 300 MiB. A child that reaches a limit fails, and the worker reports it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import IO, Final, NamedTuple

from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.http.messages import Response

POLL_SECONDS: Final = 0.2
"""Longest time until the stop flag is looked at again."""
WORKER_BYTES: Final = 96 * 1024**2
"""Memory that the worker itself needs, with the page and with what the child makes of it."""
EXIT_OUT_OF_MEMORY: Final = 75
"""Exit code of a child that reached the limit of its memory."""

_WROTE_NOTHING: Final = '{"reason": "InternalError", "message": "The converter wrote nothing."}'
_PR_SET_DUMPABLE: Final = 4
"""Option of prctl(2), from linux/prctl.h."""


class Limits(NamedTuple):
    """What a child may use."""

    memory_bytes: int
    """Address space, a part of which is never in memory."""
    cpu_seconds: int
    """Processor time. A busy node makes a child slower, but does not make it fail."""
    output_bytes: int


def child_memory(container_bytes: int) -> int:
    """Return how much memory a child may use in a container with this limit."""
    return max(container_bytes - WORKER_BYTES, container_bytes // 2)


def hide_process() -> None:
    """Keep children from reading this process' memory and environment, which hold secrets.

    They run as the same user, which could otherwise read both in /proc.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")


def convert_in_child(
    module: str,
    response: Response,
    body: bytes,
    output_format: str,
    limits: Limits,
    stopped: Callable[[], bool],
) -> bytes:
    """Return what the program *module* makes of *body*.

    The program reads one line of JSON (response, format, limits) and then the body. It writes one
    line of JSON and then the content. That line is ``{}``, or has the reason why there is none.

    Args:
        module: run with ``python -m``. It applies the limits to itself before it reads the body.
        response: to which the body belongs.
        body: as it was fetched.
        output_format: in the words of the program.
        limits: of the program.
        stopped: asked several times a second whether to give up.

    Raises:
        DownloadError: the body cannot be converted, or not within the limits.
        OSError: the kernel refuses.
    """
    hide_process()
    with _memory_file() as task, _memory_file() as outcome:
        # The child has no use for cookies, and they are not JSON.
        shown = asdict(replace(response, cookies=(), set_cookies=()))
        order = {"response": shown, "output_format": output_format, "limits": limits}
        task.write(json.dumps(order).encode() + b"\n")
        task.write(body)
        task.seek(0)
        code = _run(module, task, outcome, stopped)
        if code:
            raise _failure(code, limits, response.status)
        outcome.seek(0)
        failure = json.loads(outcome.readline() or _WROTE_NOTHING)
        if failure:
            raise DownloadError(Reason(failure["reason"]), failure["message"], response.status)
        return outcome.read()


@contextmanager
def _memory_file() -> Iterator[IO[bytes]]:
    """Yield a file in memory: a Pod may have no folder that it can write to."""
    with os.fdopen(os.memfd_create("conversion"), "w+b") as file:
        yield file


def _run(module: str, task: IO[bytes], outcome: IO[bytes], stopped: Callable[[], bool]) -> int:
    """Run the program until it ends; return its exit code, or minus the signal that killed it."""
    python = {name: text for name, text in os.environ.items() if name.startswith("PYTHON")}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=task,
        stdout=outcome,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", **python},
    ) as process:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
            if stopped():
                process.kill()
                raise StoppedError


def _failure(code: int, limits: Limits, status: int) -> DownloadError:
    advice = "write format html or raw"
    if code == EXIT_OUT_OF_MEMORY:
        used = f"more than {limits.memory_bytes // 1024**2} MiB of memory"
        advice += ", or have the administrator raise downloads.resources"
    elif code == -signal.SIGXCPU:
        used = f"more than {limits.cpu_seconds} seconds of processor time"
    elif code < 0:
        used = f"what the converter cannot do (it ended with signal {-code})"
    else:
        return DownloadError(Reason.INTERNAL_ERROR, f"The converter ended with exit code {code}.")
    return DownloadError(
        Reason.TOO_COMPLEX, f"The conversion of this page takes {used}: {advice}.", status
    )
