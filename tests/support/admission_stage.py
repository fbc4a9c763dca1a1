"""A control plane with the chart's policies in force, and accounts that try to get around them."""

import functools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.callers import kubeconfig_of, role
from tests.support.chart import helm
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools import images
from tools.cluster import binaries, local
from tools.cluster.kubectl import Kubectl, RefusedError, wait_for
from tools.generate.manifests import CHART

RELEASE, PLACE = "fetcher", "place"
"""Neither is the default, so that no policy can name the accounts by heart."""
TEAM, OTHER = "team", "other"
OPERATOR = f"system:serviceaccount:{PLACE}:download-operator"
API = f"system:serviceaccount:{PLACE}:download-operator-api"
WORKER, WORKER_PDF = images.reference("worker"), images.reference("worker-pdf")
POD_SCHEDULING = {
    "nodeSelector": {"example.com/egress": "true"},
    "tolerations": [{"key": "egress", "operator": "Exists"}],
    "priorityClassName": "low",
}
VALUES = ("image.pullSecrets={registry}", "operator.caConfigMap=authorities")
ALLOWED = ""
"""The sentence of a request that is not refused."""
LABEL = {"downloads.dev/schedule-uid": "forged"}


def account(name: str, namespace: str = TEAM) -> str:
    """Return the user name of an account."""
    return f"system:serviceaccount:{namespace}:{name}"


@dataclass(frozen=True)
class Stage:
    """The control plane.

    Attributes:
        team: kubectl in the namespace of the tenants, which has the schedule `shared`.
        kubeconfig: the administrator's.
    """

    team: Kubectl
    kubeconfig: Path

    def install(self, *values: str, flag: str = "") -> None:
        """Install the chart, or change its values; with another flag of Helm."""
        where = [f"--namespace={PLACE}", "--create-namespace", f"--kubeconfig={self.kubeconfig}"]
        settings = [f"--set={value}" for value in (*VALUES, *values)]
        flags = [flag] if flag else []
        done = helm("upgrade", "--install", RELEASE, str(CHART), *where, *settings, *flags)
        assert done.returncode == 0, done.stderr

    def refusal(self, who: str, *arguments: str, stdin: str | None = None) -> str:
        """Return why kubectl is refused as *who*; empty if it is not."""
        try:
            self.team(*arguments, f"--as={who}", stdin=stdin)
        except RefusedError as error:
            return str(error) or "refused"
        return ""

    def refusal_to_create(self, who: str, manifest: dict[str, Any]) -> str:
        """Return why *who* may not create an object; the object is not stored."""
        namespace = manifest["metadata"].setdefault("namespace", TEAM)
        command = ("create", "--dry-run=server", "--filename=-", f"--namespace={namespace}")
        return self.refusal(who, *command, stdin=json.dumps(manifest))

    def refusal_to_replace(self, who: str, manifest: dict[str, Any]) -> str:
        """Return why *who* may not update an object; the update is not stored."""
        command = ("replace", "--dry-run=server", "--filename=-")
        return self.refusal(who, *command, stdin=json.dumps(manifest))

    def refusal_to_patch(self, who: str, kind: str, name: str, patch: dict[str, Any]) -> str:
        """Return why *who* may not change an object; the change is not stored."""
        text = f"--patch={json.dumps(patch)}"
        return self.refusal(who, "patch", kind, name, "--type=merge", "--dry-run=server", text)

    def cron_job(self, name: str = "shared") -> dict[str, Any]:
        """Return the CronJob that the operator has made of a schedule."""
        manifest: dict[str, Any] = self.team.get("cronjob", name)
        return manifest

    def bind(self, name: str, *roles: str, namespace: str = TEAM) -> None:
        """Create an account with these roles; `Role/x` is a Role, other names are ClusterRoles."""
        kubectl = self.team.within(namespace)
        kubectl("create", "serviceaccount", name)
        for given in roles:
            plain = given.removeprefix("Role/")
            flag = f"--role={plain}" if plain != given else f"--clusterrole={given}"
            subject = f"--serviceaccount={namespace}:{name}"
            kubectl("create", "rolebinding", f"{name}-{plain}", flag, subject)


def check(refusal: str, sentence: str) -> None:
    """Check that kubectl was refused with a sentence, or not refused if that is empty."""
    if sentence == ALLOWED:
        assert not refusal
    else:
        assert sentence in refusal


def secret_header(secret: str, name: str = "Authorization") -> dict[str, Any]:
    """Return a header whose value comes from a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}


def with_secrets(*secrets: str) -> dict[str, Any]:
    """Return the members of a spec that send these Secrets in headers."""
    return {"request": {"headers": [secret_header(s, f"X-{i}") for i, s in enumerate(secrets)]}}


def with_claim(name: str, **members: Any) -> dict[str, Any]:
    """Return the members of a spec that write to a claim."""
    return {"destination": {"volume": {"claimName": name, **members}}}


def with_bucket(secret: str) -> dict[str, Any]:
    """Return the members of a spec that use the credentials in a Secret."""
    return {"destination": {"s3": {"bucket": "reports", "credentialsSecretRef": {"name": secret}}}}


SHARED = {**with_secrets("db"), **with_claim("data")}


def pod_template(**metadata: Any) -> dict[str, Any]:
    """Return the template of a stranger's Pod."""
    container = {"name": "c", "image": "registry.invalid/none"}
    return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}


def job(template: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return a Job of this template."""
    spec = {"template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def cron_job(job_template: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return a suspended CronJob of this template."""
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job_template}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


@contextmanager
def admission_stage(folder: Path) -> Iterator[Stage]:
    """Have such a control plane, with the operator under its own account, until the block ends."""
    with local.temporary(f"admission-{os.getpid()}", node=False) as cluster:
        everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
        stage = Stage(everywhere.within(TEAM), cluster.kubeconfig)
        stage.install()
        everywhere("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
        everywhere("create", "priorityclass", "low", "--value=-1")
        for namespace in (TEAM, OTHER):
            everywhere("create", "namespace", namespace)
        _create_accounts(stage)
        operator = _start_operator(everywhere, folder)
        try:
            _wait_until_in_force(stage)
            ticking = schedule("ticking", schedule="* * * * *")
            stage.team.apply(schedule("shared", **SHARED), ticking)
            stage.team("wait", "--for=condition=Ready", "dls", "--all", "--timeout=120s")
            yield stage
        finally:
            operator.stop()
            print(operator.log.read_text())


def _create_accounts(stage: Stage) -> None:
    stage.team.apply(
        _role("get-db", "", "secrets", "get", "db"),
        _role("get-abc", "", "secrets", "get", "a", "b", "c"),
        _role("use-data", "", "persistentvolumeclaims", "use", "data"),
        _role("create-pods", "", "pods", "create"),
        _role("patch-status", "downloads.dev", "downloadschedules/status", "get,patch"),
    )
    editor = "downloads-editor"
    stage.bind("tenant", editor, "view")
    stage.bind("gitops", editor)
    stage.bind("trusted", editor, "Role/get-db", "Role/use-data")
    stage.bind("three", editor, "Role/get-abc")
    stage.bind("pod-maker", editor, "Role/create-pods")
    stage.bind("status-writer", editor, "Role/patch-status")
    stage.bind("developer", "edit")
    stage.bind("reader", "view")
    stage.bind("viewer", "downloads-viewer")
    stage.bind("gitops-admin", "cluster-admin")
    stage.bind("stranger", "edit", namespace=OTHER)


def _role(name: str, group: str, resource: str, verbs: str, *names: str) -> dict[str, Any]:
    manifest = role(name, [(group, [resource], verbs.split(","))])
    manifest["rules"][0]["resourceNames"] = list(names)
    return manifest


def _start_operator(everywhere: Kubectl, folder: Path) -> Operator:
    kubeconfig = kubeconfig_of(everywhere.within(PLACE), "download-operator", folder)
    return Operator(
        kubeconfig,
        folder / "operator.log",
        lease_namespace=PLACE,
        release_namespace=PLACE,
        worker_image=WORKER,
        pdf_image=WORKER_PDF,
        worker_image_pull_secrets="registry",
        ca_config_map="authorities",
        pod_scheduling=json.dumps(POD_SCHEDULING),
    )


def _wait_until_in_force(stage: Stage) -> None:
    """Wait until each policy refuses what it should: they take some seconds."""
    labelled = job(pod_template(), name="x", namespace=OTHER, labels=LABEL)
    for who, manifest, sentence in (
        (account("tenant"), schedule("x", **with_secrets("db")), "may not get secrets"),
        (account("stranger", OTHER), labelled, "set labels"),
        (OPERATOR, job(pod_template(), name="x"), "the images of its chart"),
    ):
        wait_for(
            sentence,
            functools.partial(_is_refused, stage, who, manifest, sentence),
            timeout=60,
        )


def _is_refused(stage: Stage, who: str, manifest: dict[str, Any], sentence: str) -> bool:
    return sentence in stage.refusal_to_create(who, manifest)
