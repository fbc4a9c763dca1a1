"""A server with faults and a Pod's surroundings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from download_worker.formats.chromium import PROGRAM
from tests.support import http_faults
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer
from tools.cluster.host import MissingError, require_program


@pytest.fixture(scope="session", autouse=True)
def _browser() -> None:
    try:
        require_program(PROGRAM, PROGRAM)
    except MissingError as error:
        pytest.fail(str(error), pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--storm-rounds", type=int, help="attempts under fire (300)")
    parser.addoption("--storm-seed", type=int, help="of what happens to them")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with http_faults.running() as running:
        yield running


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    (tmp_path / "data").mkdir()
    return Pod(tmp_path / "data", tmp_path / "termination-log")
