"""Options and the compiled original of the differential test."""

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
    parser.addoption("--cron-cases", type=int, help="how many cases to compare (20000)")
    parser.addoption("--cron-seed", type=int, help="seed of an earlier run, to repeat it (random)")


@pytest.fixture(scope="session")
def cron_cases(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--cron-cases", None) or 20_000)


@pytest.fixture(scope="session")
def cron_seed(pytestconfig: pytest.Config) -> int:
    seed = pytestconfig.getoption("--cron-seed", None)
    return random.SystemRandom().randrange(2**32) if seed is None else int(seed)


@pytest.fixture(scope="session")
def robfig() -> Path:
    """The Go program, compiled once for each state of its sources."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir())))
    program = CACHE / "bin" / f"robfig-{digest.hexdigest()[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        subprocess.run(
            [go.program(), "build", "-trimpath", "-o", fresh, "."],
            cwd=SOURCES,
            env=environment,
            check=True,
        )
        fresh.replace(program)
    return program
