"""A process of a fork server is what a new interpreter would be, but for its start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.fork_server import COVERAGE

MODULES = ("json",)
ENVIRONMENT = {name: text for name, text in os.environ.items() if name != COVERAGE}


@pytest.mark.parametrize(
    "program",
    [
        "import sys; print(sys.argv[1:], sys.path[0], __name__, sys.stdin.read())",
        "import os; print(sorted(os.environ), os.getcwd(), ascii(os.getenv('X')))",
        "import time; print(time.strftime('%Z', time.localtime(0)))",
        "import os; print(sorted(os.listdir('/proc/self/fd')))",
        "import signal; print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))",
        "import sys; print(sys.stdout.line_buffering, sys.stderr.line_buffering, sys.flags)",
        "import threading; print(threading.current_thread().name, threading.active_count())",
        "import atexit; atexit.register(print, 'at the end'); raise SystemExit(3)",
        "raise SystemExit('in words')",
        "import os; print('lost', end=''); os._exit(4)",
        "import os; os.kill(os.getpid(), 9)",
        "import os, resource; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)",
    ],
)
def test_program_sees_and_leaves_the_same(program: str, tmp_path: Path) -> None:
    arguments = ["-c", program, "a", "b\udce4"]
    environment = {**ENVIRONMENT, "X": "ä\n\udcff", "TZ": "Asia/Tokyo"}

    process = forked.run(MODULES, arguments, env=environment, cwd=tmp_path, stdin=b"typed")

    started = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=tmp_path,
        input=b"typed",
        capture_output=True,
        check=False,
    )
    assert process.returncode == started.returncode
    assert process.stdout == started.stdout.decode()
    assert process.stderr == started.stderr.decode()


def test_module_runs_as_the_main_one(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys; print(__name__, sys.argv)")

    process = forked.run(MODULES, ["-m", "program", "x"], env=ENVIRONMENT, cwd=tmp_path)

    assert process.stdout == f"__main__ ['{tmp_path}/program.py', 'x']\n"


def test_error_is_a_traceback_and_exit_code_1() -> None:
    process = forked.run(MODULES, ["-c", "1 / 0"], env=ENVIRONMENT)

    assert process.returncode == 1
    assert process.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_process_is_a_child_of_the_test() -> None:
    program = "import os, time; print(os.getppid(), flush=True); time.sleep(60)"
    with forked.start(
        MODULES, ["-c", program], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == os.getpid()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("variable", ["PYTHONUTF8", "LC_ALL"])
def test_environment_that_counts_at_the_start_gets_a_new_interpreter(variable: str) -> None:
    program = "import sys; print(sys.orig_argv[1])"
    for environment, option in ((ENVIRONMENT, "-m"), ({**ENVIRONMENT, variable: "0"}, "-c")):
        process = forked.run(MODULES, ["-c", program], env=environment)
        assert process.stdout == f"{option}\n"
