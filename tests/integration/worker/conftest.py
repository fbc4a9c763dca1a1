"""A server with faults, and what a Pod gives an attempt."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from download_worker.formats.chromium import PROGRAM
from tests.support import http_faults
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer
from tools.cluster.host import MissingError, require_program


@pytest.fixture(scope="session", autouse=True)
def _require_browser() -> None:
    try:
        require_program(PROGRAM, PROGRAM)
    except MissingError as error:
        pytest.fail(str(error), pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-rounds", type=int, help="attempts in test_random_faults (300)")
    parser.addoption("--fault-seed", type=int, help="seed of the faults in test_random_faults")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with http_faults.run_server() as running:
        yield running


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    (tmp_path / "data").mkdir()
    return Pod(tmp_path / "data", tmp_path / "termination-log")
