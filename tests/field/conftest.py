"""A raw server, and a Pod for each report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import http_faults
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with http_faults.run_server() as running:
        yield running


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    (tmp_path / "data").mkdir()
    return Pod(tmp_path / "data", tmp_path / "termination-log")
