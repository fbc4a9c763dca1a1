"""Fixtures of the HTTP API in front of the real control plane."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api_process import KEY, StartApi, api_servers
from tests.support.callers import Callers, create_callers
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl

_numbers = itertools.count(1)


@pytest.fixture
def start_api(cluster: LocalCluster, tmp_path: Path) -> Iterator[StartApi]:
    """Start servers with the administrator's kubeconfig, until the test ends."""
    with api_servers(cluster.kubeconfig, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def callers(cluster: LocalCluster) -> Iterator[Callers]:
    """Callers with different permissions, for all tests of a module."""
    with create_callers(cluster, f"team{next(_numbers)}-{os.getpid()}") as created:
        yield created


@pytest.fixture
def api(start_api: StartApi, kubectl: Kubectl) -> httpx.Client:
    """A client of an API with a shared key, which creates schedules in the test's namespace, and
    may have them use its Secrets.
    """
    namespace = kubectl.namespace
    return start_api(key=KEY, namespace=namespace, key_secret_namespaces=namespace)
