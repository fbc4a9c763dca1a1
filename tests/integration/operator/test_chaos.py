"""The short form of ``make chaos``."""

import asyncio
from pathlib import Path

from tests.chaos.scenario import Plan, blow
from tests.support.kubectl import Kubectl
from tools.cluster import LocalCluster

PLAN = Plan(runs=200, schedules=20, kills=6, restarts=1, seed=20261123)


def test_no_run_is_lost_or_counted_twice_in_a_storm(
    cluster: LocalCluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    outcome = asyncio.run(blow(PLAN, cluster, str(kubectl.namespace), tmp_path))
    assert outcome.wrong == []
    assert (outcome.runs, outcome.kills, outcome.restarts) == (200, 6, 1)
    assert outcome.cuts > 5
    assert sum(outcome.troubles.values()) > 10
