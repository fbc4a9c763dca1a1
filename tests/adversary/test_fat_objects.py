"""Objects of people without any right to schedules cannot end, blind or bloat the operator."""

from collections.abc import Iterator
from itertools import repeat
from typing import Final

import pytest

from download_kube.paths import ALL_NAMESPACES
from tests.support.chart import memory_limit_of
from tests.support.fake_kubelet import end_pod, start_run, wait_until_recorded
from tests.support.fat_objects import (
    COLLECTIONS,
    create,
    fat,
    fat_metadata,
    peak_memory,
)
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl, wait_for

MEMORY_LIMIT_MIB: Final = memory_limit_of("operator")
FLAVOURS: Final = ("escapes", "annotations", "nested", "fields", "owner", "owners", "many")
FLAVOURS_OF_METADATA: Final = ("annotations", "labels", "nested", "fields", "owner", "owners")
COPIES: Final = 40

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def other(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The namespace of a stranger, which is deleted at the end: what is in it is large."""
    name = f"{kubectl.namespace}-stranger"
    kubectl("create", "namespace", name)
    yield kubectl.within(name)
    kubectl("delete", "namespace", name, "--wait=false")


def make_ready(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    kubectl("wait", "--for=condition=Ready", "dls/report")


def check_service(kubectl: Kubectl, job: str) -> None:
    """Have a run of a neighbour's schedule start, end and be recorded."""
    start_run(kubectl, "report", job)
    end_pod(kubectl, job)
    wait_until_recorded(kubectl, "report", job, "Completed")


def check_process(operator: Operator) -> None:
    assert operator.process.poll() is None
    assert peak_memory(operator.process.pid) < MEMORY_LIMIT_MIB
    assert "ending, so that Kubernetes" not in operator.log.read_text()


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_fat_objects_do_not_stop_the_operator(
    kubectl: Kubectl, other: Kubectl, operator: Operator, kind: str
) -> None:
    make_ready(kubectl)
    flavours = [name for name in FLAVOURS if kind != "DownloadSchedule" or name != "many"]
    names = [f"fat-{flavour}" for flavour in flavours]

    create(other.kubeconfig, other.namespace, list(map(fat, repeat(kind), flavours, names)))
    for number in range(3):
        other("label", kind.lower(), *names, f"again=n{number}", "--overwrite")

    check_service(kubectl, "after")
    operator.kill()
    operator.start_again()
    other("delete", kind.lower(), *names, "--wait=false")
    check_service(kubectl, "again")
    check_process(operator)


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_many_fat_objects_fit_into_the_memory_limit(
    kubectl: Kubectl, other: Kubectl, operator: Operator, kind: str
) -> None:
    make_ready(kubectl)

    manifests = [fat(kind, "escapes", f"fat-{n}") for n in range(COPIES)]
    create(other.kubeconfig, other.namespace, manifests)
    check_service(kubectl, "after")
    check_process(operator)
    live = peak_memory(operator.process.pid)

    operator.kill()
    operator.start_again()
    check_service(kubectl, "again")
    check_process(operator)
    print(f"{kind}: {live} MiB when they came, {peak_memory(operator.process.pid)} at the start")


def test_fat_namespaces_do_not_stop_the_operator(kubectl: Kubectl, operator: Operator) -> None:
    """It watches them for the labels of allowances, and goes on to hear of those."""
    make_ready(kubectl)
    names = [f"{kubectl.namespace}-{flavour}" for flavour in FLAVOURS_OF_METADATA]
    header = {"apiVersion": "v1", "kind": "Namespace"}
    manifests = [
        {**header, "metadata": {"name": name, **fat_metadata(flavour)}}
        for name, flavour in zip(names, FLAVOURS_OF_METADATA, strict=True)
    ]
    create(kubectl.kubeconfig, ALL_NAMESPACES, manifests)
    kubectl("label", "namespace", *names, "internal=true")

    kubectl("label", "namespace", kubectl.namespace, "internal=true")
    wait_for("the allowance", lambda: "10.1.2.0/24" in str(kubectl.get("cronjob", "report")))
    operator.kill()
    operator.start_again()
    kubectl("label", "namespace", kubectl.namespace, "internal-")
    wait_for("its end", lambda: "10.1.2.0/24" not in str(kubectl.get("cronjob", "report")))
    kubectl("delete", "namespace", *names, "--wait=false")
    check_process(operator)
