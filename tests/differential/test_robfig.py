"""Our reading of cron against Kubernetes' own: github.com/robfig/cron v3, compiled from its module.

``DIFFERENTIAL_CASES`` sets how many cases (100,000), ``DIFFERENTIAL_SEED`` repeats a run.
"""

import hashlib
import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from download_schedule.cron import CronError, parse
from tests.differential.cases import Case, generate

CASES: Final = int(os.environ.get("DIFFERENTIAL_CASES", "100000"))
SEED: Final = int(os.environ.get("DIFFERENTIAL_SEED", random.SystemRandom().randrange(2**32)))
CHUNK: Final = 10_000
SOURCES: Final = Path(__file__).parent / "robfig"

Answer = list[int] | str
"""The ticks, or why there are none."""


@pytest.fixture(scope="session")
def robfig() -> Path:
    """The Go program, compiled once for each state of its sources."""
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(SOURCES.iterdir())))
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "download-operator"
    program = cache / f"robfig-{digest.hexdigest()[:16]}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["go", "build", "-o", fresh, "."], cwd=SOURCES, check=True)
        fresh.replace(program)
    return program


def ask_robfig(program: Path, cases: list[Case]) -> list[Answer]:
    # The tables that ours reads, so that a difference is never one of tz data's versions.
    environment = {"ZONEINFO": str(files("tzdata") / "zoneinfo")}
    questions = "".join(
        json.dumps({"timeZone": question.pop("time_zone"), **question}) + "\n"
        for question in map(asdict, cases)
    )
    done = subprocess.run([program], input=questions, env=environment, text=True, check=True,
                          stdout=subprocess.PIPE)  # fmt: skip
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return [r.get("times", []) if r["ok"] else r["error"] for r in replies]


def ask_ours(case: Case) -> Answer:
    try:
        schedule = parse(case.expr, case.time_zone)
    except CronError as error:
        return str(error)
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=case.after)
    far = datetime(9000, 1, 1, tzinfo=UTC)
    return [int(tick.timestamp()) for tick in schedule.between(start, far, case.count)]


def agree(case: Case, ours: Answer, theirs: Answer) -> bool:
    """Same verdict and ticks; or one of our own two refusals: ``@every``, and what never fires."""
    if isinstance(ours, str) and isinstance(theirs, list):
        return theirs == [] or case.expr.startswith("@every ")
    return isinstance(ours, str) if isinstance(theirs, str) else ours == theirs


def chunks() -> Iterator[list[Case]]:
    for index, start in enumerate(range(0, CASES, CHUNK)):
        yield generate(SEED + index, min(CHUNK, CASES - start))


@pytest.mark.timeout(6 * 3600)
def test_verdict_and_ticks_are_those_of_robfig(
    robfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds: Counter[str] = Counter()
    mismatches = []
    for cases in chunks():
        for case, theirs in zip(cases, ask_robfig(robfig, cases), strict=True):
            ours = ask_ours(case)
            kinds["accepted" if isinstance(ours, list) else "refused"] += 1
            if not agree(case, ours, theirs):
                mismatches.append((case, ours, theirs))
    with capsys.disabled():
        print(f"\ndifferential: seed {SEED}, {dict(kinds)}, {len(mismatches)} mismatches")
    assert not mismatches, f"DIFFERENTIAL_SEED={SEED}: {mismatches[:10]}"
    assert min(kinds["accepted"], kinds["refused"]) > CASES / 10
