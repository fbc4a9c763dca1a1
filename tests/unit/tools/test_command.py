"""Commands of `make`: errors are sentences, and an interrupt unwinds them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import command
from tools.cluster.kubectl import Kubectl, NotSeenError, RefusedError, pause_after, wait_for
from tools.errors import ToolError


def fail() -> None:
    raise ToolError("the disk is full: remove files")


def interrupt_itself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("run", "code", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 2, 2, ""),
        (fail, 1, "the disk is full: remove files\n"),
        (interrupt_itself, 130, "interrupted\n"),
    ],
)
def test_command_ends_with_a_code_and_a_sentence(
    run: object, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert command.run(run) == code  # type: ignore[arg-type]  # parametrize erases the type
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == message


def test_bug_keeps_its_traceback() -> None:
    script = "from tools import command; command.run(lambda: 1 / 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"ZeroDivisionError" in done.stderr


def test_kubectl_that_hangs_is_an_error_with_its_command(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    kubectl = Kubectl(program, tmp_path / "kubeconfig")
    with pytest.raises(RefusedError, match=r"kubectl get pods did not end within 0\.1 s"):
        kubectl("get", "pods", timeout=0.1)


def test_event_that_does_not_happen_is_an_error_with_its_name() -> None:
    with pytest.raises(NotSeenError, match=r"the tick: not seen within 0\.1 s; last seen: \[\]"):
        wait_for("the tick", list, timeout=0.1)


@pytest.mark.parametrize(("elapsed", "pause"), [(0, 0.1), (1, 0.1), (5, 0.5), (10, 1), (600, 1)])
def test_pauses_of_a_wait_grow_with_it(elapsed: float, pause: float) -> None:
    assert pause_after(elapsed) == pause
