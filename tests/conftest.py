"""Real clusters for the tests that need one: nothing here stands in for Kubernetes."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cluster import LocalCluster, binaries, local, system
from tests.kubectl import Kubectl

# An example that takes long says that the machine is busy, and nothing of the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

HERE = Path(__file__).parent
ROOT = HERE.parent
NODES = (HERE / "e2e", HERE / "integration/cluster")
_numbers = itertools.count(1)

# What the person's shell says of settings and proxies is not for the processes under test.
system.reach_directly("localhost", "127.0.0.1")
for _setting in [name for name in os.environ if name.startswith("DOWNLOAD_")]:
    del os.environ[_setting]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes share the tests file by file, but one of them has all that make nodes."""
    for item in items:
        makes_nodes = any(folder in item.path.parents for folder in NODES)
        item.add_marker(pytest.mark.xdist_group("nodes" if makes_nodes else str(item.path)))


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A control plane without a node: Pods stay Pending and tests say how they end."""
    with control_plane(f"test-{os.getpid()}") as made:
        yield made


@pytest.fixture
def own_cluster() -> Iterator[LocalCluster]:
    """A control plane for one test that leaves more behind than it could clear away."""
    with control_plane(f"own-{os.getpid()}") as made:
        yield made


@contextmanager
def control_plane(name: str) -> Iterator[LocalCluster]:
    """Have a control plane that knows the resource until the block ends."""
    made = local.up(name, node=False)
    kubectl = Kubectl(binaries.ensure("kubectl")["kubectl"], made.kubeconfig)
    kubectl("apply", f"--filename={ROOT / 'manifests/crd.yaml'}")
    kubectl("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
    yield made
    made.down()


@pytest.fixture
def kubectl(cluster: LocalCluster) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace of the control plane."""
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    namespace = f"t{next(_numbers)}"
    everywhere("create", "namespace", namespace)
    yield everywhere.within(namespace)
    everywhere.within(namespace)("delete", "dls", "--all")
    everywhere("delete", "namespace", namespace, "--wait=false")
