"""The operator as a process of its own on the control plane, for all integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operator_process import Operator, StartOperator
from tools.cluster import LocalCluster


@pytest.fixture
def start_operator(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartOperator]:
    """Start operators that are stopped when the test ends."""
    started: list[Operator] = []

    def start(*, wait: bool = True, **settings: str) -> Operator:
        log = tmp_path / f"operator-{len(started)}.log"
        operator = Operator(cluster.kubeconfig, log, **settings)
        started.append(operator)
        if wait:
            operator.wait_until_working()
        return operator

    yield start
    for operator in started:
        operator.stop()
        print(operator.log.read_text())


@pytest.fixture
def operator(start_operator: StartOperator) -> Operator:
    """A running operator that serves all namespaces."""
    return start_operator()
