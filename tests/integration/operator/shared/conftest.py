"""Tests that need an operator with its default settings, and share one for each file.

A process takes two seconds of a processor to start.
"""

from collections.abc import Iterator

import pytest

from tests.support.operator_process import Operator, operators
from tools.cluster import LocalCluster


@pytest.fixture(scope="module")
def shared_operator(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """An operator that serves all namespaces. A test may stop it."""
    with operators(cluster.kubeconfig, tmp_path_factory.mktemp("operator")) as start:
        yield start()


@pytest.fixture
def operator(shared_operator: Operator) -> Operator:
    """A running operator that serves all namespaces, and the test's part of its log."""
    if shared_operator.process.poll() is not None:
        shared_operator.start_again()
    shared_operator.begin_log()
    return shared_operator
