"""The product on a cluster with real Pods, installed by Helm or by kubectl alone."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from tools import cluster as clusters
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl
from tools.demo import install

INSTALLERS: dict[str, Callable[[Cluster], None]] = {
    "helm": install.install_by_helm,
    "kubectl": install.install_by_kubectl,
}
_numbers = itertools.count(1)


@pytest.fixture(scope="package", params=list(INSTALLERS))
def stage(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster with the product, installed one way or the other, and a web server with files."""
    with clusters.temporary(f"e2e-{request.param}-{os.getpid()}", node=True) as cluster:
        install.load_images(cluster)
        INSTALLERS[request.param](cluster)
        install.serve_files(cluster)
        yield cluster


@pytest.fixture
def namespace(stage: Cluster) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace."""
    everywhere = install.kubectl_of(stage)
    name = f"t{next(_numbers)}"
    everywhere("create", "namespace", name)
    yield everywhere.within(name)
    everywhere("delete", "namespace", name, "--wait=false")
