"""People with tokens and rights of their own, and the API as its own service account."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubectl import Kubectl
from tests.support.schedules import schedule
from tools.cluster import LocalCluster, binaries
from tools.generate.manifests import CHART

AUDIENCE = "download-operator"
API_ACCOUNT = "download-operator-api"
KEY = "a-random-key-of-a-program"
KEY_GROUP = "programs-of-the-team"
RUN = "run-1"
READ = ["get", "list"]
WRITE = [*READ, "watch", "create", "update", "patch", "delete"]


@dataclass
class People:
    """Who may do what: in `team`, and in the other namespace `elsewhere`."""

    team: Kubectl
    elsewhere: Kubectl
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def with_rights(self, name: str, verbs: list[str], kubectl: Kubectl) -> None:
        """Make an account of the team's with these rights to schedules in a namespace."""
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
        """Return a new token of an account of the team's."""
        return self.team("create", "token", name, f"--audience={audience}").strip()

    @property
    def report(self) -> str:
        """Id of the team's schedule."""
        return f"{self.team.namespace}.report"

    def place_report(self) -> None:
        """See to it that the team has a schedule with a run."""
        self.team.apply(schedule("report"))
        run = {
            "id": RUN,
            "job": "report-1",
            "trigger": "Schedule",
            "state": "Completed",
            "startTime": "2026-11-23T02:00:00Z",
        }
        self.team.patch("dls", "report", {"status": {"history": [run]}}, "--subresource=status")


@contextmanager
def people(cluster: LocalCluster, namespace: str) -> Iterator[People]:
    """Have them until the block ends."""
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    other = f"{namespace}-other"
    for name in (namespace, other):
        everywhere("create", "namespace", name)
    team, elsewhere = everywhere.within(namespace), everywhere.within(other)
    made = People(team, elsewhere)
    made.with_rights("nobody", [], team)
    made.with_rights("reader", READ, team)
    made.with_rights("editor", WRITE, team)
    made.with_rights("outsider", WRITE, elsewhere)
    made.with_rights("admin", [], team)
    team.apply(
        cluster_admin(f"{namespace}-admin", account("admin", namespace)),
        binding("programs", {"kind": "Group", "name": KEY_GROUP}, "editor"),
    )
    made.headers["stranger"] = {}
    made.headers["misdirected"] = bearer(made.token("editor", "somebody-else"))
    made.headers["program"] = {"X-API-Key": KEY}
    made.place_report()
    elsewhere.apply(schedule("theirs"))
    yield made
    everywhere("delete", "clusterrolebinding", f"{namespace}-admin")
    for place in (team, elsewhere):
        place("delete", "dls", "--all")
        place("delete", "namespace", place.namespace, "--wait=false")


def hashed_keys(folder: Path) -> Path:
    """Write the file with the program's key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    file = folder / "keys.json"
    file.write_text(json.dumps([{"sha256": digest, "user": "program", "groups": [KEY_GROUP]}]))
    return file


def install_account(kubectl: Kubectl, *values: str) -> None:
    """Give the API the account and rights that the chart gives it."""
    helm = binaries.ensure("helm")["helm"]
    command = [str(helm), "template", "x", str(CHART), f"--namespace={kubectl.namespace}"]
    text = subprocess.run(
        [*command, "--show-only=templates/api.yaml", *(f"--set={value}" for value in values)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    kubectl.apply(*(item for item in yaml.safe_load_all(text) if item["kind"] in kinds))


def kubeconfig_of(kubectl: Kubectl, name: str, folder: Path) -> Path:
    """Write a kubeconfig with which a service account, and nobody else, logs in."""
    seen = json.loads(kubectl("config", "view", "--raw", "--output=json"))
    (user,) = seen["users"]
    user["user"] = {"token": kubectl("create", "token", name).strip()}
    file = folder / f"kubeconfig-{name}"
    file.write_text(json.dumps(seen))
    return file


def role(name: str, rules: list[tuple[str, list[str], list[str]]]) -> dict[str, Any]:
    """A Role; each rule is a group, its resources and the verbs."""
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


def binding(name: str, subject: dict[str, str], to: str = "") -> dict[str, Any]:
    """A RoleBinding to a Role, the one of its own name unless told otherwise."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": to or name},
        "subjects": [subject],
    }


def cluster_admin(name: str, subject: dict[str, str]) -> dict[str, Any]:
    """A ClusterRoleBinding that allows everything."""
    made = binding(name, subject, "cluster-admin")
    made["roleRef"]["kind"] = "ClusterRole"
    return {**made, "kind": "ClusterRoleBinding"}


def account(name: str, namespace: str) -> dict[str, str]:
    """A service account as the subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def bearer(token: str) -> dict[str, str]:
    """The headers that carry a token."""
    return {"Authorization": f"Bearer {token}"}
