"""Real clusters and real servers for the tests that need one. Nothing here imitates Kubernetes."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.support import http_faults
from tests.support.attempts import Pod
from tests.support.fork_server import COVERAGE
from tests.support.http_faults import FaultServer
from tools.cluster import LocalCluster, binaries, host, local
from tools.cluster.kubectl import Kubectl

# A slow example means that the machine is busy, so there is no deadline.
settings.register_profile("tests", deadline=None)
# With --hypothesis-profile=thorough, every property test tries ten times as many examples.
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("tests")

ROOT = Path(__file__).parents[1]
WITH_NODES = ("tests/e2e/", "tests/integration/cluster/")
_numbers = itertools.count(1)

# Settings and proxies of the developer's shell must not reach the processes under test.
host.reach_directly("localhost", "127.0.0.1")
for _setting in [name for name in os.environ if name.startswith("DOWNLOAD_")]:
    del os.environ[_setting]
# Of the processes under test, only those of a fork server measure their coverage. Any other would
# import coverage.py first, which takes longer than most of them run.
if "PYTEST_XDIST_WORKER" in os.environ and "COVERAGE_PROCESS_CONFIG" in os.environ:
    os.environ[COVERAGE] = os.environ.pop("COVERAGE_PROCESS_CONFIG")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Share the tests among processes file by file, except those that need a node.

    A node takes a minute to set up, and tests wait for it most of the time. Tests with nodes form
    two groups: those that share the cluster on which Helm has installed the product, and the rest.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(WITH_NODES):
            return "installed by Helm" if "[helm" in nodeid else "other nodes"
        return nodeid.split("::", maxsplit=1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="module")
def uncovered() -> Iterator[None]:
    """Do not measure the coverage of processes that a module starts.

    Python code that is measured can take three times as long.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE")]:
            patch.delenv(name)
        yield


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A raw HTTP server that misbehaves on request."""
    with http_faults.run_server() as running:
        yield running


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """What a Pod gives an attempt."""
    (tmp_path / "data").mkdir()
    return Pod(tmp_path / "data", tmp_path / "termination-log")


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A control plane without a node: Pods stay Pending, and tests decide how they end."""
    with control_plane(f"test-{os.getpid()}") as cluster:
        yield cluster


@pytest.fixture
def own_cluster() -> Iterator[LocalCluster]:
    """A control plane for one test that leaves behind more than it could remove."""
    with control_plane(f"own-{os.getpid()}") as cluster:
        yield cluster


@contextmanager
def control_plane(name: str) -> Iterator[LocalCluster]:
    """Have a control plane that knows the resource until the block ends."""
    with local.temporary(name, node=False) as cluster:
        kubectl = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
        kubectl("apply", f"--filename={ROOT / 'manifests/crd.yaml'}")
        kubectl("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
        yield cluster


@pytest.fixture
def kubectl(cluster: LocalCluster) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace of the control plane."""
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    namespace = f"t{next(_numbers)}"
    everywhere("create", "namespace", namespace)
    yield everywhere.within(namespace)
    everywhere.within(namespace)("delete", "dls", "--all")
    everywhere("delete", "namespace", namespace, "--wait=false")
