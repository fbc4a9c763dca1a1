"""Callers of the API with tokens and permissions of their own, and the API's own account."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.schedules import schedule
from tools.cluster import LocalCluster, binaries
from tools.cluster.kubectl import Kubectl
from tools.generate.manifests import CHART

AUDIENCE = "download-operator"
API_ACCOUNT = "download-operator-api"
PROGRAM_KEY = "a-random-key-of-a-program"
PROGRAM_GROUP = "programs-of-the-team"
RUN_ID = "run-1"
READ = ["get", "list"]
WRITE = [*READ, "watch", "create", "update", "patch", "delete"]


@dataclass
class Callers:
    """Callers by name, with their permissions in the namespaces `team` and `elsewhere`.

    Attributes:
        team: kubectl in the namespace of the schedule `report`, which has one run.
        elsewhere: kubectl in the namespace of the schedule `theirs`.
        headers: what each caller sends to authenticate.
    """

    team: Kubectl
    elsewhere: Kubectl
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, name: str, verbs: list[str], kubectl: Kubectl) -> None:
        """Create an account of the team that may do `verbs` with the schedules of a namespace."""
        self.team("create", "serviceaccount", name)
        rules = [("downloads.dev", ["downloadschedules"], verbs)]
        if "create" in verbs:
            rules.append(("downloads.dev", ["downloadschedules/run"], ["create"]))
            streams = ["downloadschedules/log", "downloadschedules/content"]
            rules.append(("downloads.dev", streams, ["get"]))
        kubectl.apply(role(name, rules))
        kubectl.apply(binding(name, account(name, self.team.namespace)))
        self.headers[name] = bearer(self.token(name))

    def token(self, name: str, audience: str = AUDIENCE) -> str:
        """Return a new token of one of the team's accounts."""
        return self.team("create", "token", name, f"--audience={audience}").strip()

    @property
    def report(self) -> str:
        """Id of the team's schedule."""
        return f"{self.team.namespace}.report"

    def create_report(self) -> None:
        """Create the team's schedule if it is missing, and give it a run."""
        self.team.apply(schedule("report"))
        run = {
            "id": RUN_ID,
            "job": "report-1",
            "trigger": "Schedule",
            "state": "Completed",
            "startTime": "2026-11-23T02:00:00Z",
        }
        self.team.patch("dls", "report", {"status": {"history": [run]}}, "--subresource=status")


@contextmanager
def create_callers(cluster: LocalCluster, namespace: str) -> Iterator[Callers]:
    """Create callers, their namespaces and schedules; delete them when the block ends."""
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    other = f"{namespace}-other"
    for name in (namespace, other):
        everywhere("create", "namespace", name)
    team, elsewhere = everywhere.within(namespace), everywhere.within(other)
    callers = Callers(team, elsewhere)
    callers.add("nobody", [], team)
    callers.add("reader", READ, team)
    callers.add("editor", WRITE, team)
    callers.add("outsider", WRITE, elsewhere)
    callers.add("admin", [], team)
    team.apply(
        cluster_admin(f"{namespace}-admin", account("admin", namespace)),
        binding("programs", {"kind": "Group", "name": PROGRAM_GROUP}, "editor"),
    )
    callers.headers["anonymous"] = {}
    callers.headers["wrong-audience"] = bearer(callers.token("editor", "somebody-else"))
    callers.headers["program"] = {"X-API-Key": PROGRAM_KEY}
    callers.create_report()
    elsewhere.apply(schedule("theirs"))
    yield callers
    everywhere("delete", "clusterrolebinding", f"{namespace}-admin")
    for kubectl in (team, elsewhere):
        kubectl("delete", "dls", "--all")
        kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def hashed_keys(folder: Path) -> Path:
    """Write the file of hashed keys, with the key of the caller `program`."""
    digest = hashlib.sha256(PROGRAM_KEY.encode()).hexdigest()
    entry = {"sha256": digest, "user": "program", "groups": [PROGRAM_GROUP]}
    file = folder / "keys.json"
    file.write_text(json.dumps([entry]))
    return file


def install_account(kubectl: Kubectl, *values: str) -> None:
    """Create the API's account with the permissions that the chart gives it."""
    helm = binaries.ensure("helm")["helm"]
    command = [str(helm), "template", "x", str(CHART), f"--namespace={kubectl.namespace}"]
    text = subprocess.run(
        [*command, "--show-only=templates/api.yaml", *(f"--set={value}" for value in values)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    for item in yaml.safe_load_all(text):
        if item["kind"] in kinds:
            kubectl.within(item["metadata"].get("namespace", kubectl.namespace)).apply(item)


def kubeconfig_of(kubectl: Kubectl, name: str, folder: Path) -> Path:
    """Write a kubeconfig that logs in as a service account."""
    config = json.loads(kubectl("config", "view", "--raw", "--output=json"))
    (user,) = config["users"]
    user["user"] = {"token": kubectl("create", "token", name).strip()}
    file = folder / f"kubeconfig-{name}"
    file.write_text(json.dumps(config))
    return file


def role(name: str, rules: list[tuple[str, list[str], list[str]]]) -> dict[str, Any]:
    """Return a Role; each rule is a group, its resources and the verbs."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": resources, "verbs": verbs}
            for group, resources, verbs in rules
            if verbs
        ],
    }


def binding(name: str, subject: dict[str, str], role_name: str = "") -> dict[str, Any]:
    """Return a RoleBinding to a Role, by default the one with the binding's name."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": role_name or name,
        },
        "subjects": [subject],
    }


def cluster_admin(name: str, subject: dict[str, str]) -> dict[str, Any]:
    """Return a ClusterRoleBinding that allows everything."""
    manifest = binding(name, subject, "cluster-admin")
    manifest["roleRef"]["kind"] = "ClusterRole"
    return {**manifest, "kind": "ClusterRoleBinding"}


def account(name: str, namespace: str) -> dict[str, str]:
    """Return a service account as the subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def bearer(token: str) -> dict[str, str]:
    """Return the headers that carry a token."""
    return {"Authorization": f"Bearer {token}"}
