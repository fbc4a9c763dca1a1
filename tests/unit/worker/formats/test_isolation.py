"""What a child of the worker can see of it, and how the worker reads the child's end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.formats import isolation
from download_worker.formats.isolation import Limits, child_memory, convert_in_child
from download_worker.http.messages import Response

MEBIBYTE = 1024**2
LIMITS = Limits(memory_bytes=512 * MEBIBYTE, cpu_seconds=60, output_bytes=1000)
READ_PARENT = """
import ctypes, os, subprocess, sys
from download_worker.formats.isolation import hide_process

if os.geteuid() == 0:  # whom no mode of a file keeps out
    os.setresgid(65532, 65532, 65532)
    os.setresuid(65532, 65532, 65532)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as in a process that has always had this user
if sys.argv[1] == "hidden":
    hide_process()
for name in ("environ", "mem", "maps"):
    command = ["cat", f"/proc/{os.getpid()}/{name}"]
    child = subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True)
    print(name, b"s3cret" in child.stdout, b"Permission denied" in child.stderr)
"""


def read_parent(state: str) -> list[str]:
    """Return of each file whether a child finds the secret in it, and whether it was refused."""
    done = subprocess.run(
        [sys.executable, "-c", READ_PARENT, state],
        env={**os.environ, "AWS_SECRET_ACCESS_KEY": "s3cret"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_child_of_the_same_user_cannot_read_a_hidden_process() -> None:
    assert read_parent("hidden") == [
        "environ False True",
        "mem False True",
        "maps False True",
    ]


def test_child_of_the_same_user_could_read_it_otherwise() -> None:
    assert read_parent("visible")[0] == "environ True False"


def run_program(
    folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, body: bytes = b""
) -> bytes:
    (folder / "converter.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    response = Response("http://example.com/", status=200)
    return convert_in_child("converter", response, body, "txt", LIMITS, lambda: False)


def test_child_gets_the_body_and_returns_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import sys; lines = sys.stdin.buffer.read().split(b'\\n'); print('{}'); print(lines[1:])"
    )
    assert run_program(tmp_path, monkeypatch, program, b"a\nb") == b"[b'a', b'b']\n"


def test_child_has_no_secret_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOWNLOAD_HEADER_0", "DOWNLOAD_SPEC", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "s3cret")
    program = "import os; print('{}'); print([n for n in os.environ if n[:6] != 'PYTHON'])"
    content = run_program(tmp_path, monkeypatch, program).decode()
    assert sorted(content.strip("[]\n").split(", ")) == ["'LANG'", "'PATH'"]


@pytest.mark.parametrize(
    ("program", "reason", "message"),
    [
        ('print(\'{"reason": "NoArticle", "message": "none"}\')', Reason.NO_ARTICLE, "none"),
        ("raise SystemExit(75)", Reason.TOO_COMPLEX, "more than 512 MiB of memory"),
        ("import os; os.kill(os.getpid(), 24)", Reason.TOO_COMPLEX, "more than 60 seconds"),
        ("import os; os.kill(os.getpid(), 11)", Reason.TOO_COMPLEX, "ended with signal 11"),
        ("import os; os.kill(os.getpid(), 9)", Reason.TOO_COMPLEX, "ended with signal 9"),
        ("raise SystemExit(3)", Reason.INTERNAL_ERROR, "ended with exit code 3"),
        ("", Reason.INTERNAL_ERROR, "wrote nothing"),
    ],
)
def test_end_of_the_child_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: Reason, message: str
) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        run_program(tmp_path, monkeypatch, program)
    assert caught.value.reason is reason
    assert caught.value.permanent is (reason is not Reason.INTERNAL_ERROR)


def test_refusal_of_the_kernel_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_PR_SET_DUMPABLE", 12345)
    with pytest.raises(OSError, match="PR_SET_DUMPABLE"):
        isolation.hide_process()


@pytest.mark.parametrize(("container", "child"), [(1024, 928), (256, 160), (192, 96), (128, 64)])
def test_child_gets_what_the_worker_leaves(container: int, child: int) -> None:
    assert child_memory(container * MEBIBYTE) == child * MEBIBYTE
