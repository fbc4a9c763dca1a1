"""Our reading of cron against Kubernetes' own: github.com/robfig/cron v3, compiled from its module.

Both are programs that take and give the same JSON lines. ``--cron-cases`` sets how many cases are
tried, ``--cron-seed`` repeats a run.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from download_schedule.cron import zones
from tests.differential.cases import (
    BAD_ZONES,
    ODD_ZONES,
    Case,
    generate,
    generate_around,
    left_out_days,
)

CHUNK: Final = 10_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOW: Final = 1_767_225_600
"""The start of 2026."""
NEVER: Final = "refused by us alone: never fires"

Answer = dict[str, Any]


def ask_robfig(program: Path, cases: list[Case]) -> list[Answer]:
    """Ask the original, which gives up on a search without end and then must be started anew."""
    # The tables that ours reads, so that a difference is never one of tz data's versions.
    environment = {"ZONEINFO": str(files("tzdata") / "zoneinfo")}
    answers: list[Answer] = []
    while len(answers) < len(cases):
        answers += _ask([str(program)], cases[len(answers) :], environment)
    return answers


def ask_ours(cases: list[Case]) -> list[Answer]:
    # Not measured for coverage, which would take thrice the time and add nothing.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    return _ask([sys.executable, "-m", "download_schedule.cron", "--batch"], cases, environment)


def _ask(command: list[str], cases: list[Case], environment: dict[str, str]) -> list[Answer]:
    lines = "".join(map(_question, cases))
    done = subprocess.run(
        command, input=lines, env=environment, text=True, check=True, stdout=subprocess.PIPE
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _question(case: Case) -> str:
    after = (EPOCH + timedelta(seconds=case.after)).isoformat()
    asked = {"expr": case.expr, "timeZone": case.time_zone, "after": after, "count": case.count}
    return json.dumps(asked) + "\n"


def verdict(case: Case, ours: Answer, theirs: Answer) -> str:
    """Name how the two answers relate; only ``mismatch`` is a fault of ours."""
    if theirs.get("hangs"):
        return "robfig never returns" if skips_a_day(case.time_zone) else "mismatch"
    if ours["ok"]:
        return "same ticks" if theirs["ok"] and ours["times"] == theirs["times"] else "mismatch"
    if not theirs["ok"]:
        return "both refuse"
    if case.expr.startswith("@every "):
        return "refused by us alone: @every"
    return NEVER if "never fire" in ours["error"] or theirs["times"] == [] else "mismatch"


@cache
def skips_a_day(time_zone: str) -> bool:
    """Tell whether a calendar day does not exist in the zone, as on crossing the date line."""
    return any(left_out_days(time_zone, year) for year in range(1844, 2038))


def compare(program: Path, chunks: Iterable[list[Case]], what: str) -> Counter[str]:
    """Ask both sides everything, print the figures, and fail at the first chunk that differs."""
    verdicts: Counter[str] = Counter()
    for cases, ours, theirs in _answered(program, chunks):
        judged = [(verdict(*each), each) for each in zip(cases, ours, theirs, strict=True)]
        verdicts.update(name for name, _ in judged)
        differing = [each for name, each in judged if name == "mismatch"]
        assert not differing, f"{what}: {len(differing)} differ, among them {differing[:5]}"
        # robfig errs on some days of old, and fires at 31 April (Asia/Beirut, 1983): ask from now.
        odd = [case for name, (case, _, reply) in judged if name == NEVER and reply["times"]]
        never = [replace(case, after=NOW) for case in odd]
        assert all(reply["times"] == [] for reply in ask_robfig(program, never)), never
    print(f"{what}: {verdicts.total()} cases, {dict(verdicts)}")
    return verdicts


def _answered(
    program: Path, chunks: Iterable[list[Case]]
) -> Iterator[tuple[list[Case], list[Answer], list[Answer]]]:
    """Both sides work at the same time."""
    with ThreadPoolExecutor() as pool:
        for cases in chunks:
            theirs = pool.submit(ask_robfig, program, cases)
            yield cases, ask_ours(cases), theirs.result()


@pytest.mark.timeout(6 * 3600)
def test_verdict_and_ticks(robfig: Path, cron_cases: int, cron_seed: int) -> None:
    chunks = (
        generate(cron_seed + index, min(CHUNK, cron_cases - start))
        for index, start in enumerate(range(0, cron_cases, CHUNK))
    )
    verdicts = compare(robfig, chunks, f"--cron-seed={cron_seed}")
    assert min(verdicts["same ticks"], verdicts["both refuse"]) > cron_cases / 10


@pytest.mark.timeout(6 * 3600)
def test_ticks_around_every_clock_change_of_odd_zones(
    robfig: Path, cron_cases: int, cron_seed: int
) -> None:
    each = max(1, cron_cases // 100)
    chunks = (generate_around(zone, cron_seed, each) for zone in ODD_ZONES)
    compare(robfig, chunks, f"clock changes, --cron-seed={cron_seed}")


def test_names_of_zones(robfig: Path) -> None:
    names = (*sorted(zones.names()), *BAD_ZONES)
    cases = [Case("0 2 * * *", name, after=NOW) for name in names]
    verdicts = compare(robfig, [cases], "zones")
    assert verdicts["same ticks"] >= 590
    assert verdicts["both refuse"] >= 20
