"""Attacks on processes that are as fast as they are outside of tests."""

import json
from collections.abc import Iterator

import pytest

from tests.support.chart import memory_limit_of
from tests.support.memory_limit import memory_limit
from tests.support.operator_process import Operator, operators
from tools.cluster import LocalCluster

INTERNAL = {"cidr": "10.1.2.0/24", "namespaceSelector": {"matchLabels": {"internal": "true"}}}


@pytest.fixture(scope="module", autouse=True)
def without_coverage(uncovered: None) -> None:
    """Other tests show what is covered."""


@pytest.fixture(scope="module")
def operator(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A running operator that serves all namespaces, with the chart's limit of memory in force.

    It watches namespaces as well, because an allowance selects them by label.
    """
    folder = tmp_path_factory.mktemp("operator")
    with (
        memory_limit(memory_limit_of("operator")) as limit,
        operators(cluster.kubeconfig, folder, limit) as start,
    ):
        yield start(allow=json.dumps([INTERNAL]))
        assert not limit.kills
