"""The browser that tests of the worker need, and the options of the storm."""

import pytest

from download_worker.formats.chromium import PROGRAM
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
