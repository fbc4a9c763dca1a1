"""Our cron parser compared with Kubernetes' own: robfig/cron v3, compiled from its module.

Both are programs that read and write the same JSON lines. ``--cron-cases`` sets the number of
cases, and ``--cron-seed`` repeats a run.
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
from typing import Final

import pytest

from download_schedule.cron import zones
from download_schedule.types import JSONObject
from tests.support.cron_cases import (
    BAD_ZONES,
    ODD_ZONES,
    Case,
    generate,
    generate_around,
    skipped_days,
)

CHUNK: Final = 10_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
START_OF_2026: Final = 1_767_225_600
NEVER_FIRES: Final = "refused by us alone: never fires"

pytestmark = pytest.mark.usefixtures("uncovered")


def ask_robfig(program: Path, cases: list[Case]) -> list[JSONObject]:
    """Ask the original. It exits after a search that does not end, and is then started again."""
    # The same tables as ours, so that a difference never comes from another version of tzdata.
    environment = {"ZONEINFO": str(files("tzdata") / "zoneinfo")}
    responses: list[JSONObject] = []
    while len(responses) < len(cases):
        responses += _ask([str(program)], cases[len(responses) :], environment)
    return responses


def ask_ours(cases: list[Case]) -> list[JSONObject]:
    command = [sys.executable, "-m", "download_schedule.cron", "--batch"]
    return _ask(command, cases, dict(os.environ))


def _ask(command: list[str], cases: list[Case], environment: dict[str, str]) -> list[JSONObject]:
    lines = "".join(map(_request_line, cases))
    done = subprocess.run(
        command, input=lines, env=environment, text=True, check=True, stdout=subprocess.PIPE
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _request_line(case: Case) -> str:
    after = (EPOCH + timedelta(seconds=case.after)).isoformat()
    request = {"expr": case.expr, "timeZone": case.time_zone, "after": after, "count": case.count}
    return json.dumps(request) + "\n"


def classify(case: Case, ours: JSONObject, theirs: JSONObject) -> str:
    """Name how the two responses relate; only ``mismatch`` is a bug of ours."""
    if theirs.get("hangs"):
        return "robfig never returns" if skips_a_day(case.time_zone) else "mismatch"
    if ours["ok"]:
        return "same ticks" if theirs["ok"] and ours["times"] == theirs["times"] else "mismatch"
    if not theirs["ok"]:
        return "both refuse"
    if case.expr.startswith("@every "):
        return "refused by us alone: @every"
    if "never fire" in ours["error"] or theirs["times"] == []:
        return NEVER_FIRES
    return "mismatch"


@cache
def skips_a_day(time_zone: str) -> bool:
    """Return whether the zone ever skips a calendar day, as when it crosses the date line."""
    return any(skipped_days(time_zone, year) for year in range(1844, 2038))


def compare(program: Path, chunks: Iterable[list[Case]], title: str) -> Counter[str]:
    """Compare all cases, print the figures, and fail at the first chunk with a mismatch."""
    classes: Counter[str] = Counter()
    for cases, ours, theirs in _ask_both(program, chunks):
        triples = list(zip(cases, ours, theirs, strict=True))
        names = [classify(*triple) for triple in triples]
        classes.update(names)

        mismatches = [t for name, t in zip(names, triples, strict=True) if name == "mismatch"]
        assert not mismatches, f"{title}: {len(mismatches)} differ, among them {mismatches[:5]}"

        # robfig is wrong on some days long ago: it fires on 31 April (Asia/Beirut, 1983). From
        # 2026 on, an expression that never fires must have no ticks there either.
        never = [
            replace(case, after=START_OF_2026)
            for name, (case, _, response) in zip(names, triples, strict=True)
            if name == NEVER_FIRES and response["times"]
        ]
        assert all(response["times"] == [] for response in ask_robfig(program, never)), never
    print(f"{title}: {classes.total()} cases, {dict(classes)}")
    return classes


def _ask_both(
    program: Path, chunks: Iterable[list[Case]]
) -> Iterator[tuple[list[Case], list[JSONObject], list[JSONObject]]]:
    """Ask both programs at the same time."""
    with ThreadPoolExecutor() as pool:
        for cases in chunks:
            theirs = pool.submit(ask_robfig, program, cases)
            yield cases, ask_ours(cases), theirs.result()


@pytest.mark.timeout(6 * 3600)
def test_generated_cases_have_the_same_verdict_and_ticks(
    robfig: Path, cron_cases: int, cron_seed: int
) -> None:
    chunks = (
        generate(cron_seed + index, min(CHUNK, cron_cases - start))
        for index, start in enumerate(range(0, cron_cases, CHUNK))
    )
    classes = compare(robfig, chunks, f"--cron-seed={cron_seed}")
    assert min(classes["same ticks"], classes["both refuse"]) > cron_cases / 10


@pytest.mark.timeout(6 * 3600)
def test_ticks_are_the_same_around_clock_changes_of_odd_zones(
    robfig: Path, cron_cases: int, cron_seed: int
) -> None:
    cases_per_zone = max(1, cron_cases // 100)
    chunks = (generate_around(zone, cron_seed, cases_per_zone) for zone in ODD_ZONES)
    compare(robfig, chunks, f"clock changes, --cron-seed={cron_seed}")


def test_same_zone_names_are_accepted(robfig: Path) -> None:
    names = (*sorted(zones.names()), *BAD_ZONES)
    cases = [Case("0 2 * * *", name, after=START_OF_2026) for name in names]
    classes = compare(robfig, [cases], "zones")
    assert classes["same ticks"] >= 590
    assert classes["both refuse"] >= 20
