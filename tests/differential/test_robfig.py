"""Our reading of cron against Kubernetes' own: github.com/robfig/cron v3, compiled from its module.

``--cron-cases`` sets how many cases are tried, ``--cron-seed`` repeats a run.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from download_schedule.cron import CronError, parse, zones
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
FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)

Ticks = list[int]


@dataclass(frozen=True)
class Theirs:
    """What robfig says: ticks, or an error, or nothing as it searches for ever."""

    times: Ticks | None = None
    error: str | None = None


def ask_robfig(program: Path, cases: list[Case]) -> list[Theirs]:
    """The program ends after an answer it had to give up on; a new one is asked the rest."""
    answers: list[Theirs] = []
    while len(answers) < len(cases):
        answers += _ask_robfig(program, cases[len(answers) :])
    return answers


def _ask_robfig(program: Path, cases: list[Case]) -> list[Theirs]:
    # The tables that ours reads, so that a difference is never one of tz data's versions.
    environment = {"ZONEINFO": str(files("tzdata") / "zoneinfo")}
    questions = "".join(
        json.dumps({"expr": c.expr, "timeZone": c.time_zone, "after": c.after, "count": c.count})
        + "\n"
        for c in cases
    )
    done = subprocess.run([program], input=questions, env=environment, text=True, check=True,
                          stdout=subprocess.PIPE)  # fmt: skip
    replies = map(json.loads, done.stdout.splitlines())
    return [Theirs(times=reply.get("times"), error=reply.get("error")) for reply in replies]


def ask_ours(case: Case) -> Ticks | str:
    try:
        schedule = parse(case.expr, case.time_zone)
    except CronError as error:
        return str(error)
    ticks = schedule.between(EPOCH + timedelta(seconds=case.after), FAR, case.count)
    return [(tick - EPOCH) // timedelta(seconds=1) for tick in ticks]


def verdict(case: Case, ours: Ticks | str, theirs: Theirs) -> str:
    """Name how the two answers relate; only ``mismatch`` is a fault of ours."""
    if theirs.times is None and theirs.error is None:
        return "robfig never returns" if skips_a_day(case.time_zone) else "mismatch"
    if isinstance(ours, str):
        if theirs.error is not None:
            return "both refuse"
        if case.expr.startswith("@every "):
            return "refused by us alone: @every"
        return NEVER if "never fire" in ours or theirs.times == [] else "mismatch"
    return "same ticks" if ours == theirs.times else "mismatch"


@cache
def skips_a_day(time_zone: str) -> bool:
    """Tell whether a calendar day does not exist in the zone, as on crossing the date line."""
    return any(left_out_days(time_zone, year) for year in range(1844, 2038))


def compare(program: Path, chunks: Iterator[list[Case]], what: str) -> Counter[str]:
    """Ask both sides everything, print the figures, and fail at the first chunk that differs."""
    verdicts: Counter[str] = Counter()
    for cases in chunks:
        answers = zip(cases, map(ask_ours, cases), ask_robfig(program, cases), strict=True)
        judged = [(verdict(*answer), answer) for answer in answers]
        verdicts.update(name for name, _ in judged)
        differing = [answer for name, answer in judged if name == "mismatch"]
        assert not differing, f"{what}: {len(differing)} differ, among them {differing[:5]}"
        # robfig errs on some days of old, and fires at 31 April (Asia/Beirut, 1983): ask from now.
        odd = [case for name, (case, _, theirs) in judged if name == NEVER and theirs.times]
        never = [replace(case, after=NOW) for case in odd]
        assert all(theirs.times == [] for theirs in ask_robfig(program, never)), never
    print(f"{what}: {verdicts.total()} cases, {dict(verdicts)}")
    return verdicts


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
    verdicts = compare(robfig, iter([cases]), "zones")
    assert verdicts["same ticks"] >= 590
    assert verdicts["both refuse"] >= 20
