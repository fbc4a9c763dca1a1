"""A server with faults and a Pod's surroundings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker import faults
from tests.integration.worker.attempts import Pod
from tests.integration.worker.faults import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults.running() as running:
        yield running


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    (tmp_path / "data").mkdir()
    return Pod(tmp_path / "data", tmp_path / "termination-log")
