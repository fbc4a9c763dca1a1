"""`make demo` on a cluster of its own: twice, because it must be repeatable."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tools import cluster as clusters

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"demo-{os.getpid()}"
    yield chosen
    clusters.down(chosen)


def test_demo_shows_files_and_their_history_every_time(name: str) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "tools.demo", name],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("sha256 served = recorded = saved") == 2
        assert "Completed" in done.stdout
        assert "volume://downloads/default/nightly-report/" in done.stdout
        assert f"make cluster-down CLUSTER={clusters.choose_mode()}" in done.stdout
        assert f"CLUSTER_NAME={name}\n" in done.stdout
        assert len(schedules(done.stdout)) == 2


def schedules(output: str) -> list[str]:
    """Return the rows of `kubectl get dls` in the demo's output."""
    table = output.partition("$ kubectl get dls\n")[2].partition("\n\n")[0]
    return table.splitlines()[1:]
