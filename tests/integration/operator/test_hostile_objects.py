"""Objects of people who have no right to schedules: they end no watch and no operator."""

import asyncio
from typing import Any, Final

import pytest

from download_kube.client import KubeClient
from tests.support.fake_kubelet import end_pod, recorded, start_run
from tests.support.kubeconfig import login_by
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import Operator
from tests.support.schedules import schedule

FATTEST: Final = 1_400_000
"""Characters of one value in an object that etcd still takes; ``<`` is six bytes of Go's JSON."""
PATHS: Final = {"Job": "/apis/batch/v1/jobs", "Pod": "/api/v1/pods"}
LABELS: Final = {"downloads.dev/schedule-uid": "x"}


def pod_spec(text: str) -> dict[str, Any]:
    """A Pod's spec with one long value."""
    env = [{"name": "FAT", "value": text}]
    return {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": "example.com/none:1", "env": env}],
    }


def fat_job(text: str) -> dict[str, Any]:
    """A Job that runs nothing."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "fat", "labels": LABELS},
        "spec": {"suspend": True, "template": {"spec": pod_spec(text)}},
    }


def fat_pod(text: str) -> dict[str, Any]:
    """A Pod that no node runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "fat", "labels": LABELS},
        "spec": pod_spec(text),
    }


def create(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    """POST as it is what kubectl would escape, and make too large to send."""

    async def post() -> None:
        client = KubeClient(login_by(kubectl.kubeconfig), "test", timeout_seconds=30)
        try:
            path = PATHS[manifest["kind"]].replace("/v1/", f"/v1/namespaces/{kubectl.namespace}/")
            await client.request("POST", path, manifest)
        finally:
            await client.close()

    asyncio.run(post())


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("make", [fat_job, fat_pod], ids=["Job", "Pod"])
def test_a_fat_object_does_not_end_the_operator(
    kubectl: Kubectl, operator: Operator, make: Any
) -> None:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    fat = make("<" * FATTEST)
    create(kubectl, fat)
    kind = fat["kind"].lower()
    kubectl("annotate", kind, "fat", "again=1")
    wait_for("both events", lambda: operator.log.read_text().count("fat is too long") >= 2)
    start_run(kubectl, "report", "after")
    end_pod(kubectl, "after")
    recorded(kubectl, "report", "after", "Completed")
    assert operator.process.poll() is None
    assert f"{kubectl.namespace}/fat is too long, skipping it" in operator.log.read_text()
    sample = f'watch_objects_skipped_total{{path="{PATHS[fat["kind"]]}"}} '
    assert int(operator.ask("/metrics").text.split(sample)[1].split()[0]) >= 2
    operator.kill()
    operator.start_again()
    kubectl("delete", kind, "fat", "--wait=false")
    start_run(kubectl, "report", "again")
    end_pod(kubectl, "again")
    recorded(kubectl, "report", "again", "Completed")
    assert operator.process.poll() is None
