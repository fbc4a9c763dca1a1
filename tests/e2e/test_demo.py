"""`make demo`, but for its cluster's name: twice, because it has to be idempotent."""

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


def test_the_demo_shows_files_and_their_history(name: str) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "tools.demo", name],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("sha256 served = recorded = kept") == 2
        assert "Completed" in done.stdout
        assert "volume://downloads/default/nightly-report/" in done.stdout
        assert "make cluster-down" in done.stdout
