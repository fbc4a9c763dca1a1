"""The operator as a process of its own on the control plane, for all integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operator_process import Operator, StartOperator, operators
from tools.cluster import LocalCluster


@pytest.fixture
def start_operator(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartOperator]:
    """Start operators that are stopped when the test ends."""
    with operators(cluster.kubeconfig, tmp_path) as start:
        yield start


@pytest.fixture
def operator(start_operator: StartOperator) -> Operator:
    """A running operator that serves all namespaces."""
    return start_operator()
