"""Whose run a Job is, its controller decides: forged labels and owners change nobody's history."""

import time
from typing import Any

import pytest

from tests.support.fake_kubelet import end_pod, history, start_run, wait_until_recorded
from tests.support.fat_objects import LABEL, fat
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl

MADE_UP = "00000000-0000-4000-8000-000000000000"
SETTLED_SECONDS = 3.0
"""Time after which the operator would have recorded a forged run as Pending."""


@pytest.fixture
def uids(kubectl: Kubectl, operator: Operator) -> dict[str, str]:
    """UIDs of two schedules, and of their CronJobs."""
    kubectl.apply(schedule("one"), schedule("two"))
    kubectl("wait", "--for=condition=Ready", "dls/one", "dls/two")
    return {
        f"{kind}/{name}": kubectl.get(kind, name)["metadata"]["uid"]
        for kind in ("dls", "cronjob")
        for name in ("one", "two")
    }


def owner(kind: str, uid: str, name: str = "one") -> dict[str, Any]:
    version = "v1" if kind == "Pod" else "batch/v1"
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}


def forged_job(name: str, label: str, *owners: dict[str, Any]) -> dict[str, Any]:
    manifest = fat("Job", "", name, label)
    manifest["metadata"]["ownerReferences"] = list(owners)
    return manifest


def test_job_with_the_label_alone_is_not_a_run(kubectl: Kubectl, uids: dict[str, str]) -> None:
    label = uids["dls/one"]
    not_controlling = {**owner("CronJob", uids["cronjob/one"]), "controller": False}
    kubectl.apply(
        forged_job("label-only", label),
        forged_job("not-controlled", label, not_controlling),
        forged_job("other-kind", label, owner("Job", uids["cronjob/one"])),
        forged_job("made-up", label, owner("CronJob", MADE_UP)),
        forged_job("schedule-as-owner", label, owner("CronJob", uids["dls/one"])),
    )
    time.sleep(SETTLED_SECONDS)

    start_run(kubectl, "one", "real")
    end_pod(kubectl, "real")
    wait_until_recorded(kubectl, "one", "real", "Completed")
    kubectl("delete", "jobs", "label-only", "not-controlled", "--wait=false")
    time.sleep(SETTLED_SECONDS)

    assert [run["job"] for run in history(kubectl, "one")] == ["real"]
    assert kubectl.get("dls", "one")["status"]["counts"]["failed"] == 0


def test_job_belongs_to_the_schedule_of_its_controller_not_of_its_label(
    kubectl: Kubectl, uids: dict[str, str]
) -> None:
    job = forged_job("real", uids["dls/two"], owner("CronJob", uids["cronjob/one"]))
    kubectl.apply(job)

    wait_until_recorded(kubectl, "one", "real", "Pending")

    assert history(kubectl, "two") == []


def test_owner_in_another_namespace_is_none(kubectl: Kubectl, uids: dict[str, str]) -> None:
    stranger = f"{kubectl.namespace}-stranger"
    kubectl("create", "namespace", stranger)
    job = forged_job("forged", uids["dls/one"], owner("CronJob", uids["cronjob/one"]))
    kubectl.within(stranger).apply(job)
    time.sleep(SETTLED_SECONDS)
    kubectl("delete", "namespace", stranger, "--wait=false")

    assert history(kubectl, "one") == []


def test_relabelled_job_stays_the_run_that_it_is_and_ends_once(
    kubectl: Kubectl, uids: dict[str, str], operator: Operator
) -> None:
    start_run(kubectl, "one", "moved")
    wait_until_recorded(kubectl, "one", "moved", "Pending")

    for label in (uids["dls/two"], "x", "y", uids["dls/two"]):
        kubectl("label", "job", "moved", f"{LABEL}={label}", "--overwrite")
    end_pod(kubectl, "moved")
    wait_until_recorded(kubectl, "one", "moved", "Completed")
    kubectl("delete", "job", "moved", "--wait=false")

    # With concurrencyPolicy Forbid, a ghost of the Job would keep the next run from starting.
    annotation = {"metadata": {"annotations": {"downloads.dev/run-requested": "now"}}}
    for name in ("one", "two"):
        kubectl.patch("dls", name, annotation)
        kubectl("wait", "--for=jsonpath={.status.active}=1", f"dls/{name}")
    status = kubectl.get("dls", "one")["status"]
    assert status["counts"] == {"completed": 1, "failed": 0, "missed": 0}
    assert len(history(kubectl, "two")) == 1


def test_deleted_relabelled_job_is_recorded_as_deleted(
    kubectl: Kubectl, uids: dict[str, str]
) -> None:
    start_run(kubectl, "one", "moved")
    wait_until_recorded(kubectl, "one", "moved", "Pending")
    kubectl("label", "job", "moved", f"{LABEL}={uids['dls/two']}", "--overwrite")
    kubectl("delete", "job", "moved", "--wait=false")

    assert wait_until_recorded(kubectl, "one", "moved", "Failed")["reason"] == "JobDeleted"
    assert history(kubectl, "two") == []
