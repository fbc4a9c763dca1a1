"""Strangers against the operator's labels, and the operator's own account against its bounds."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.admission_stage import (
    ALLOWED,
    LABEL,
    OPERATOR,
    OTHER,
    PLACE,
    WORKER_PDF,
    Stage,
    account,
    admission_stage,
    check,
    cron_job,
    job,
    pod_template,
    with_bucket,
    with_claim,
    with_secrets,
)
from tests.support.schedules import schedule
from tools.cluster.kubectl import wait_for


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with admission_stage(tmp_path_factory.mktemp("stage")) as created:
        yield created


STRANGER = account("stranger", OTHER)
LABELLED = pod_template(labels=LABEL)
OWNER = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "x", "uid": "x", "controller": True}
POD = {"apiVersion": "v1", "kind": "Pod"}
RESERVED = "set labels that start with downloads.dev/; leave them out"


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        (job(pod_template(), name="x"), ALLOWED),
        (job(pod_template(), name="x", labels=LABEL), RESERVED),
        (job(pod_template(), name="x", labels={"downloads.dev/other": "x"}), RESERVED),
        (job(LABELLED, name="x"), RESERVED),
        (cron_job({"spec": {"template": pod_template()}}, name="x"), ALLOWED),
        (cron_job({"spec": {"template": pod_template()}}, name="x", labels=LABEL), RESERVED),
        (
            cron_job({"metadata": {"labels": LABEL}, "spec": {"template": LABELLED}}, name="x"),
            RESERVED,
        ),
        (cron_job({"spec": {"template": LABELLED}}, name="x"), RESERVED),
        (
            cron_job(
                {"spec": {"template": pod_template()}},
                name="x",
                labels=LABEL,
                ownerReferences=[OWNER],
            ),
            RESERVED,
        ),
        ({**POD, **pod_template(name="x", labels=LABEL)}, RESERVED),
        ({**POD, **pod_template(name="x", labels=LABEL, ownerReferences=[OWNER])}, RESERVED),
        # kubectl create job --from=cronjob/NAME looks like this, so a forged owner passes.
        (job(LABELLED, name="x", labels=LABEL, ownerReferences=[OWNER]), ALLOWED),
    ],
)
def test_labels_are_reserved(stage: Stage, manifest: dict[str, Any], sentence: str) -> None:
    manifest["metadata"]["namespace"] = OTHER
    check(stage.refusal_to_create(STRANGER, manifest), sentence)


def test_pod_of_another_controller_gets_no_label(stage: Stage) -> None:
    replicas = account("replicaset-controller", "kube-system")
    pod = {**POD, **pod_template(name="x", labels=LABEL)}
    assert RESERVED in stage.refusal_to_create(replicas, pod)


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"labels": {"downloads.dev/schedule-uid": None}}, RESERVED),
        ({"labels": LABEL}, RESERVED),
        ({"labels": {"downloads.dev/other": "x"}}, RESERVED),
        ({"labels": {"example.com/team": "x"}, "annotations": {"note": "x"}}, ALLOWED),
    ],
)
def test_labels_of_a_cron_job_stay(stage: Stage, metadata: dict[str, Any], sentence: str) -> None:
    patch = {"metadata": metadata}
    check(stage.refusal_to_patch(account("developer"), "cronjob", "shared", patch), sentence)


def test_job_from_the_cron_job_runs(stage: Stage) -> None:
    developer = f"--as={account('developer')}"
    stage.team("create", "job", "by-hand", "--from=cronjob/shared", developer)
    (uid,) = stage.cron_job()["metadata"]["labels"].keys() & LABEL.keys()
    pods = ("pods", "--selector=batch.kubernetes.io/job-name=by-hand")
    (pod,) = wait_for("the Pod of the Job", lambda: stage.team.list(*pods))
    assert uid in pod["metadata"]["labels"]


def test_tick_starts_a_run(stage: Stage) -> None:
    def run() -> bool:
        jobs = stage.team.list("jobs")
        return any(item["metadata"]["name"].startswith("ticking-") for item in jobs)

    wait_for("the tick", run, timeout=90, every=1)


@pytest.fixture(scope="module")
def made_by_operator(stage: Stage) -> dict[str, Any]:
    """The template that the operator has made for the schedule `shared`."""
    template: dict[str, Any] = stage.cron_job()["spec"]["jobTemplate"]["spec"]["template"]
    return {"metadata": {"labels": LABEL}, "spec": template["spec"]}


def change(template: dict[str, Any], path: str, value: Any) -> None:
    """Set a member of a Pod's template; `container` stands for that of the container."""
    *parents, last = path.split(".")
    node = template
    if parents[0] == "container":
        (node,) = template["spec"]["containers"]
        parents = parents[1:]
    for parent in parents:
        node = node[parent]
    node[last] = value


IMAGE = "the images of its chart"
START = "what its images start"
ACCOUNT = "without a service account"
NODE = "share no namespace and no device of a node"
MOUNT = "only mount claims, emptyDir and ConfigMaps"
PLACES = "only mount at /data and"
VARIABLES = "only set the variables that the worker reads"
PRIVILEGE = "only make Pods without privileges"
SHAPE = "with one container, no init container and no annotation"
CA = {"name": "ca", "configMap": {"name": "authorities"}}
CODE = "/opt/download-operator"
"""Where the worker's images have their code."""
PLAIN = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CONTAINER = {"name": "more", "image": WORKER_PDF}
HANDLER = {"exec": {"command": ["x"]}}


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("container.image", WORKER_PDF, ALLOWED),
        ("container.image", "busybox", IMAGE),
        ("container.image", "download-operator/operator:0.1.0", IMAGE),
        ("container.image", "download-operator/worker:0.1.0-evil", IMAGE),
        ("container.env", [{"name": "DOWNLOAD_TICK", "value": "2026-11-29T02:00:00Z"}], ALLOWED),
        ("container.command", ["sh"], START),
        ("container.args", ["https://example.com", "-o", "x"], START),
        ("container.args", None, START),
        ("container.envFrom", [{"secretRef": {"name": "db"}}], START),
        ("container.workingDir", "/data", START),
        ("container.env", None, ALLOWED),
        ("container.env", [{"name": "PYTHONPATH", "value": "/data"}], VARIABLES),
        ("container.env", [{"name": "LD_PRELOAD", "value": "/data/x.so"}], VARIABLES),
        ("container.env", [{"name": "PATH", "value": "/data"}], VARIABLES),
        ("container.env", [{"name": "https_proxy", "value": "http://evil.example:1"}], VARIABLES),
        ("container.ports", [{"containerPort": 80, "hostPort": 80}], START),
        ("container.lifecycle", {"preStop": HANDLER}, START),
        ("container.livenessProbe", HANDLER, START),
        ("container.readinessProbe", HANDLER, START),
        ("container.startupProbe", HANDLER, START),
        ("spec.serviceAccountName", "default", ACCOUNT),
        ("spec.automountServiceAccountToken", True, ACCOUNT),
        ("spec.automountServiceAccountToken", None, ACCOUNT),
        ("spec.hostNetwork", True, NODE),
        ("spec.hostPID", True, NODE),
        ("spec.hostIPC", True, NODE),
        ("spec.nodeName", "control-plane", NODE),
        ("spec.runtimeClassName", "x", NODE),
        ("spec.resourceClaims", [{"name": "x", "resourceClaimName": "x"}], NODE),
        ("spec.priorityClassName", "system-node-critical", "of a system priority"),
        ("spec.volumes", [{"name": "data", "hostPath": {"path": "/"}}, CA], MOUNT),
        ("spec.volumes", [{"name": "data", "secret": {"secretName": "x"}}, CA], MOUNT),
        ("spec.volumes", [{"name": "data", "emptyDir": {}}, CA], ALLOWED),
        ("container.volumeMounts", [{"name": "data", "mountPath": CODE}], PLACES),
        ("container.volumeMounts", [{"name": "data", "mountPath": "/"}], PLACES),
        ("container.volumeMounts", [{"name": "data", "mountPath": "/data/../opt"}], PLACES),
        ("container.volumeMounts", [{"name": "ca", "mountPath": "/usr/lib/python3"}], PLACES),
        ("container.volumeMounts", [{"name": "data", "mountPath": "/tmp"}], PLACES),
        ("spec.imagePullSecrets", [{"name": "registry"}], ALLOWED),
        ("spec.imagePullSecrets", [{"name": "other"}], "only pull images with the Secrets of"),
        ("spec.initContainers", [CONTAINER], SHAPE),
        ("spec.containers", [CONTAINER, {**CONTAINER, "name": "two"}], SHAPE),
        ("metadata.annotations", {"example.com/inject": "x"}, SHAPE),
        ("spec.securityContext", {}, PRIVILEGE),
        ("spec.securityContext.runAsNonRoot", False, PRIVILEGE),
        ("spec.securityContext.runAsUser", 0, PRIVILEGE),
        ("spec.securityContext.seccompProfile.type", "Unconfined", PRIVILEGE),
        ("spec.securityContext.sysctls", [{"name": "kernel.shm", "value": "1"}], PRIVILEGE),
        ("spec.securityContext.seLinuxOptions", {"type": "spc_t"}, PRIVILEGE),
        ("spec.securityContext.appArmorProfile", {"type": "Unconfined"}, PRIVILEGE),
        ("container.securityContext", {**PLAIN, "allowPrivilegeEscalation": True}, PRIVILEGE),
        ("container.securityContext", {**PLAIN, "runAsNonRoot": False}, PRIVILEGE),
        ("container.securityContext", {**PLAIN, "runAsUser": 0}, PRIVILEGE),
        ("container.securityContext", {"allowPrivilegeEscalation": False}, PRIVILEGE),
        ("container.securityContext.capabilities", {"drop": ["CHOWN"]}, PRIVILEGE),
        (
            "container.securityContext.capabilities",
            {"drop": ["ALL"], "add": ["NET_ADMIN"]},
            PRIVILEGE,
        ),
        ("container.securityContext.seccompProfile", {"type": "Unconfined"}, PRIVILEGE),
        ("container.securityContext", PLAIN, ALLOWED),
    ],
)
def test_operators_account_makes_nothing_but_downloads(
    stage: Stage, made_by_operator: dict[str, Any], path: str, value: Any, sentence: str
) -> None:
    template = copy.deepcopy(made_by_operator)
    change(template, path, value)
    check(stage.refusal_to_create(OPERATOR, job(template, name="x", labels=LABEL)), sentence)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("container.image", WORKER_PDF, ALLOWED),
        ("container.image", "busybox", IMAGE),
        ("spec.volumes", [{"name": "data", "hostPath": {"path": "/"}}, CA], MOUNT),
    ],
)
def test_bounds_hold_for_cron_jobs(
    stage: Stage, made_by_operator: dict[str, Any], path: str, value: Any, sentence: str
) -> None:
    template = copy.deepcopy(made_by_operator)
    change(template, path, value)
    manifest = cron_job({"spec": {"template": template}}, name="x", labels=LABEL)
    check(stage.refusal_to_create(OPERATOR, manifest), sentence)


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", PLACE])
def test_operators_account_makes_nothing_in_a_system_namespace(
    stage: Stage, made_by_operator: dict[str, Any], namespace: str
) -> None:
    """Its Secrets are worth more than those of a tenant."""
    manifest = job(made_by_operator, name="x", labels=LABEL, namespace=namespace)
    assert "make nothing in a system namespace" in stage.refusal_to_create(OPERATOR, manifest)


def test_block_device_is_no_mount(stage: Stage, made_by_operator: dict[str, Any]) -> None:
    template = copy.deepcopy(made_by_operator)
    (container,) = template["spec"]["containers"]
    container["volumeMounts"] = []
    container["volumeDevices"] = [{"name": "data", "devicePath": "/dev/x"}]
    assert MOUNT in stage.refusal_to_create(OPERATOR, job(template, name="x"))


def test_bounds_admit_a_user_and_a_group_that_the_cluster_chooses(
    stage: Stage, made_by_operator: dict[str, Any]
) -> None:
    template = copy.deepcopy(made_by_operator)
    for member in ("runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy"):
        del template["spec"]["securityContext"][member]
    check(stage.refusal_to_create(OPERATOR, job(template, name="x")), ALLOWED)


NOT_OURS = "may only change CronJobs and delete Jobs of DownloadSchedules"


def of_schedule(stage: Stage) -> dict[str, Any]:
    """Return the owner reference of a CronJob that the schedule `shared` controls."""
    uid = stage.team.get("dls", "shared")["metadata"]["uid"]
    version, kind = "downloads.dev/v1alpha1", "DownloadSchedule"
    return {**OWNER, "apiVersion": version, "kind": kind, "name": "shared", "uid": uid}


def test_operators_account_suspends_but_does_not_change_what_it_may_not_make(stage: Stage) -> None:
    """Such as a CronJob of an earlier version, whose label somebody removed before the policies."""
    template = {"spec": {"template": pod_template()}}
    stage.team.apply(cron_job(template, name="former", ownerReferences=[of_schedule(stage)]))
    current = stage.team.get("cronjob", "former")
    current["spec"]["suspend"] = True
    assert not stage.refusal_to_replace(OPERATOR, current)
    change(current["spec"]["jobTemplate"]["spec"]["template"], "container.image", "busybox")
    assert IMAGE in stage.refusal_to_replace(OPERATOR, current)


def test_operators_account_does_not_touch_the_cron_job_of_somebody_else(stage: Stage) -> None:
    stage.team.apply(cron_job({"spec": {"template": pod_template()}}, name="theirs"))
    for name, sentence in (("theirs", NOT_OURS), ("shared", ALLOWED)):
        current = stage.cron_job(name)
        current["spec"]["suspend"] = True
        check(stage.refusal_to_replace(OPERATOR, current), sentence)
        current = stage.cron_job(name)
        current["status"] = {"lastScheduleTime": "2026-01-01T00:00:00Z"}
        command = ("replace", "--subresource=status", "--dry-run=server", "--filename=-")
        check(stage.refusal(OPERATOR, *command, stdin=json.dumps(current)), sentence)


def test_operators_account_deletes_nothing_but_runs(stage: Stage) -> None:
    shared = stage.cron_job()["metadata"]
    controlled = {**OWNER, "name": shared["name"], "uid": shared["uid"]}
    stage.team.apply(job(pod_template(), name="theirs", ownerReferences=[controlled]))
    stage.team("create", "job", "run", "--from=cronjob/shared")
    as_operator = ("--dry-run=server", "--wait=false")
    assert NOT_OURS in stage.refusal(OPERATOR, "delete", "job", "theirs", *as_operator)
    assert not stage.refusal(OPERATOR, "delete", "job", "run", *as_operator)
    for kind, name in (("cronjob", "shared"), ("pod", "x"), ("dls", "shared")):
        assert "forbidden" in stage.refusal(OPERATOR, "delete", kind, name, *as_operator)


@pytest.mark.parametrize(
    "members",
    [
        {"format": "pdf", **with_claim("data")},
        {"format": "text", **with_secrets(*"abcd")},
        with_bucket("db"),
        {**with_claim("data"), "keepLast": 3, "onlyIfChanged": True},
    ],
)
def test_operator_makes_every_kind_of_download(stage: Stage, members: dict[str, Any]) -> None:
    stage.team.apply(schedule("kind", **members))
    stage.team("wait", "--for=condition=Ready", "dls/kind", "--timeout=120s")
    stage.team.patch("dls", "kind", {"spec": {"schedule": "0 5 * * *"}})
    stage.team("annotate", "dls/kind", "downloads.dev/run-requested=x")

    wait_for("the new schedule", lambda: stage.cron_job("kind")["spec"]["schedule"] == "0 5 * * *")
    pods = ("pods", "--selector=downloads.dev/schedule-uid")
    wait_for(
        "the Pod of the run",
        lambda: any(p["metadata"]["name"].startswith("kind-") for p in stage.team.list(*pods)),
    )
    stage.team("delete", "dls/kind")
