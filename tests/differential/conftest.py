"""Command-line options of the differential test, and robfig/cron as a compiled program."""

import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest

from tools.cache import CACHE
from tools.cluster import go

SOURCES = Path(__file__).parent / "robfig"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cron-cases", type=int, help="number of cases to compare (default: 20000)")
    parser.addoption(
        "--cron-seed", type=int, help="repeat the run with this seed (default: random)"
    )


@pytest.fixture(scope="session")
def cron_cases(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--cron-cases", None) or 20_000)


@pytest.fixture(scope="session")
def cron_seed(pytestconfig: pytest.Config) -> int:
    seed = pytestconfig.getoption("--cron-seed", None)
    return random.SystemRandom().randrange(2**32) if seed is None else int(seed)


@pytest.fixture(scope="session")
def robfig() -> Path:
    """Path of the compiled Go program, from the cache unless its sources changed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir())))
    program = CACHE / "bin" / f"robfig-{digest.hexdigest()[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        new_program = program.with_suffix(f".{os.getpid()}")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        subprocess.run(
            [go.program(), "build", "-trimpath", "-o", new_program, "."],
            cwd=SOURCES,
            env=environment,
            check=True,
        )
        new_program.replace(program)
    return program
