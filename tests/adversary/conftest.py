"""Attacks on processes that are as fast as they are outside of tests."""

from collections.abc import Iterator

import pytest

from tests.support.operator_process import Operator, operators
from tools.cluster import LocalCluster


@pytest.fixture(scope="module", autouse=True)
def without_coverage(uncovered: None) -> None:
    """Other tests show what is covered."""


@pytest.fixture(scope="module")
def operator(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A running operator that serves all namespaces."""
    with operators(cluster.kubeconfig, tmp_path_factory.mktemp("operator")) as start:
        yield start()
