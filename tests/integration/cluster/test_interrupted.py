"""A run that is interrupted or killed leaves no cluster behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.traces import traces_of
from tools.cluster import local
from tools.cluster.kubectl import wait_for

SESSION = """
import time
import pytest
from tools.cluster import local

@pytest.fixture(scope="session")
def cluster():
    with local.temporary("{name}", node=False) as cluster:
        yield cluster

def test_that_takes_long(cluster):
    time.sleep(300)
"""
OWNER = """
import time
from tools.cluster import local

with local.temporary("{name}", node=False):
    time.sleep(300)
"""
RUNNER = """
import sys
from tools import command, process_tree

pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses=1"]
sys.exit(command.run(lambda: process_tree.run([*pytest, sys.argv[1]])))
"""


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"interrupted-{os.getpid()}"
    yield chosen
    local.down(chosen)


def wait_until_up(name: str) -> None:
    wait_for("the cluster", lambda: "kube-scheduler" in local.status(name), timeout=120)


def wait_until_removed(name: str) -> None:
    """On a busy machine, tests are killed that do not end in time, and then the cluster ends."""
    wait_for("the removal of the cluster", lambda: traces_of(name) == [], timeout=60)


def test_tests_that_are_terminated_leave_no_cluster(name: str, tmp_path: Path) -> None:
    file = tmp_path / "test_session.py"
    file.write_text(SESSION.format(name=name))
    with subprocess.Popen([sys.executable, "-c", RUNNER, str(file)]) as runner:
        wait_until_up(name)
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(timeout=120) == 130
    wait_until_removed(name)


def test_cluster_removes_itself_when_its_owner_is_killed(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER.format(name=name)]) as owner:
        wait_until_up(name)
        owner.kill()
    wait_until_removed(name)
