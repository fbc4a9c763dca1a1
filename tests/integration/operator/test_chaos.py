"""The short form of ``make chaos``."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.scenario import Scenario, run_scenario
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl

SCENARIO = Scenario(runs=200, schedules=20, kills=6, restarts=1, seed=20261123)


@pytest.mark.usefixtures("uncovered")
def test_no_run_is_lost_or_counted_twice_while_everything_breaks(
    cluster: LocalCluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    outcome = asyncio.run(run_scenario(SCENARIO, cluster, str(kubectl.namespace), tmp_path))

    assert outcome.violations == []
    assert (outcome.runs, outcome.kills, outcome.restarts) == (200, 6, 1)
    assert outcome.cuts > 5
    assert sum(outcome.faults.values()) > 10
