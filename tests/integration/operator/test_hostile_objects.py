"""Objects of people without any right to schedules cannot end a watch or the operator."""

import asyncio
from typing import Any, Final

import pytest

from download_kube.client import KubeClient
from tests.support.fake_kubelet import end_pod, start_run, wait_until_recorded
from tests.support.kubeconfig import login_by
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl, wait_for

LONGEST_VALUE: Final = 1_400_000
"""Characters of one value in an object that etcd accepts. Go writes ``<`` as six bytes of JSON."""
PATHS: Final = {"Job": "/apis/batch/v1/jobs", "Pod": "/api/v1/pods"}
LABELS: Final = {"downloads.dev/schedule-uid": "x"}


def pod_spec(text: str) -> dict[str, Any]:
    """A Pod's spec with one long value."""
    env = [{"name": "FAT", "value": text}]
    return {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": "example.com/none:1", "env": env}],
    }


def large_job(text: str) -> dict[str, Any]:
    """A Job that runs nothing."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "large", "labels": LABELS},
        "spec": {"suspend": True, "template": {"spec": pod_spec(text)}},
    }


def large_pod(text: str) -> dict[str, Any]:
    """A Pod that no node runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "large", "labels": LABELS},
        "spec": pod_spec(text),
    }


def create(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    """POST the manifest unchanged: kubectl would escape it, and make it too large to send."""

    async def post() -> None:
        client = KubeClient(login_by(kubectl.kubeconfig), "test", timeout_seconds=30)
        try:
            path = PATHS[manifest["kind"]].replace("/v1/", f"/v1/namespaces/{kubectl.namespace}/")
            await client.request("POST", path, manifest)
        finally:
            await client.close()

    asyncio.run(post())


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("build", [large_job, large_pod], ids=["Job", "Pod"])
def test_object_that_is_too_large_does_not_end_the_operator(
    kubectl: Kubectl, operator: Operator, build: Any
) -> None:
    kubectl.apply(schedule("report"))
    kubectl("wait", "--for=condition=Ready", "dls/report")
    manifest = build("<" * LONGEST_VALUE)

    create(kubectl, manifest)
    kind = manifest["kind"].lower()
    kubectl("annotate", kind, "large", "again=1")
    wait_for("both events", lambda: operator.log.read_text().count("large is too long") >= 2)

    start_run(kubectl, "report", "after")
    end_pod(kubectl, "after")
    wait_until_recorded(kubectl, "report", "after", "Completed")
    assert operator.process.poll() is None
    assert operator.has_logged(f"{kubectl.namespace}/large is too long, skipping it")
    sample = f'watch_objects_skipped_total{{path="{PATHS[manifest["kind"]]}"}} '
    assert float(operator.get("/metrics").text.split(sample)[1].split()[0]) >= 2

    operator.kill()
    operator.start_again()
    kubectl("delete", kind, "large", "--wait=false")
    start_run(kubectl, "report", "again")
    end_pod(kubectl, "again")
    wait_until_recorded(kubectl, "report", "again", "Completed")
    assert operator.process.poll() is None
