"""What a stranger's fat objects cost the other tenants: time, and how much of it."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from download_kube import paths
from tests.support.fat_objects import COLLECTIONS, cluster_client, create, fat
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

ROUNDS: Final = 4
CHANGES: Final = 25
"""Changes of a schedule in one half of a round."""
COPIES: Final = 5
"""Fat objects of each kind."""
NOISE_SECONDS: Final = 0.5
"""What one change in a hundred may take longer on a busy machine."""
INTERVAL_SECONDS: Final = 0.1
"""Time between the stranger's writes. Each is an event of 8 MB in one of the operator's watches."""
MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}
METADATA_ONLY: Final = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def server(cluster: LocalCluster) -> Iterator[httpx.Client]:
    with cluster_client(cluster.kubeconfig) as client:
        yield client


def test_fat_objects_do_not_triple_the_time_of_other_tenants(
    kubectl: Kubectl, operator: Operator, server: httpx.Client
) -> None:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    stranger = f"{kubectl.namespace}-stranger"
    kubectl("create", "namespace", stranger)
    names = [f"fat-{number}" for number in range(COPIES)]
    objects = [
        f"{paths.collection(*_collection(kind, stranger))}/{name}"
        for kind in ("Job", "Pod")
        for name in names
    ]
    create(
        kubectl.kubeconfig,
        stranger,
        [fat(kind, "escapes", name) for kind in ("Job", "Pod") for name in names],
    )

    quiet: list[float] = []
    attacked: list[float] = []
    for _ in range(ROUNDS):
        quiet += [change(server, kubectl.namespace) for _ in range(CHANGES)]
        with attack(kubectl.kubeconfig, objects):
            attacked += [change(server, kubectl.namespace) for _ in range(CHANGES)]
    kubectl("delete", "namespace", stranger, "--wait=false")

    before, during = p99(quiet), p99(attacked)
    print(f"p99: {before * 1000:.0f} ms before, {during * 1000:.0f} ms under attack")
    assert operator.process.poll() is None
    assert during < 3 * before + NOISE_SECONDS


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


_changes = itertools.count()


def change(server: httpx.Client, namespace: str) -> float:
    """Change when the schedule fires; return the seconds until its CronJob says the same."""
    cron = f"{next(_changes) % 60} 3 * * *"
    schedule_path = f"{paths.collection(paths.SCHEDULES, namespace, 'downloadschedules')}/report"
    cron_jobs = paths.collection(paths.BATCH, namespace, "cronjobs")

    def has_changed() -> bool:
        (job,) = server.get(cron_jobs).json()["items"]
        return bool(job["spec"]["schedule"] == cron)

    started_at = time.monotonic()
    response = server.patch(schedule_path, json={"spec": {"schedule": cron}}, headers=MERGE_PATCH)
    assert response.status_code == 200, response.text
    wait_for("the CronJob's change", has_changed, every=0.005)
    return time.monotonic() - started_at


@contextmanager
def attack(kubeconfig: Path, objects: list[str]) -> Iterator[None]:
    """Annotate the objects in turn until the block ends."""
    ending = threading.Event()
    writes = 0

    def annotate() -> None:
        nonlocal writes
        with cluster_client(kubeconfig) as client:
            while not ending.wait(INTERVAL_SECONDS):
                annotations = {"again": str(writes)}
                response = client.patch(
                    objects[writes % len(objects)],
                    json={"metadata": {"annotations": annotations}},
                    headers=MERGE_PATCH | METADATA_ONLY,
                )
                assert response.status_code == 200, response.text
                writes += 1

    attacker = threading.Thread(target=annotate)
    attacker.start()
    try:
        yield
    finally:
        ending.set()
        attacker.join()
    assert writes > 0


def _collection(kind: str, namespace: str) -> tuple[str, str, str]:
    api, plural = COLLECTIONS[kind]
    return api, namespace, plural
