"""Tests that need nothing of the API's process but its routes, and share one for each file.

A process takes two seconds of a processor to start.
"""

import itertools
import os
from collections.abc import Iterator

import httpx
import pytest

from tests.support.api_process import KEY, api_servers
from tools.cluster import LocalCluster, binaries
from tools.cluster.kubectl import Kubectl

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared_namespace(cluster: LocalCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace that is as old as the API's process."""
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    name = f"shared{next(_numbers)}-{os.getpid()}"
    everywhere("create", "namespace", name)
    yield everywhere.within(name)
    everywhere("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def shared_api(
    cluster: LocalCluster, shared_namespace: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.URL]:
    """The address of an API with a shared key, which may use the namespace's Secrets."""
    with api_servers(cluster.kubeconfig, tmp_path_factory.mktemp("api")) as start:
        client = start(
            key=KEY,
            namespace=shared_namespace.namespace,
            key_secret_namespaces=shared_namespace.namespace,
        )
        yield client.base_url


@pytest.fixture
def kubectl(shared_namespace: Kubectl) -> Iterator[Kubectl]:
    """kubectl in the namespace of the API's schedules, which is empty before and after."""
    yield shared_namespace
    shared_namespace("delete", "dls,cronjobs,jobs,pods,secrets", "--all")


@pytest.fixture
def api(shared_api: httpx.URL, kubectl: Kubectl) -> Iterator[httpx.Client]:
    """A client of the API, which creates schedules in the namespace of `kubectl`."""
    with httpx.Client(base_url=shared_api, headers={"X-API-Key": KEY}, timeout=30) as client:
        yield client
