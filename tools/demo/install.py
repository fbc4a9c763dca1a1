"""Install the product on a cluster, and a web server with files beside it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools import images
from tools.cluster import Cluster, binaries
from tools.cluster.kubectl import Kubectl, wait_for
from tools.errors import ToolError

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "charts" / "download-operator"
INSTALL = REPOSITORY / "manifests" / "install.yaml"
NAMESPACE = "download-operator"
API_AUDIENCE = "download-operator"
RBAC = "rbac.authorization.k8s.io"
WEB_NAMESPACE = "web"
WEB_URL = f"http://files.{WEB_NAMESPACE}"

PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Addresses of Services and Pods in most clusters. Downloads from there must be allowed."""


class InstallError(ToolError):
    """The product could not be installed. The message ends with the state of its Pods."""


def kubectl_of(cluster: Cluster, namespace: str = "default") -> Kubectl:
    """Return kubectl for a cluster."""
    return Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig, namespace)


def load_images(cluster: Cluster) -> None:
    """Build the images where needed and load them into the cluster."""
    cluster.load(*images.build().values())


def install_by_helm(cluster: Cluster, *more: str) -> None:
    """Run `helm install` with downloads from the cluster's own addresses allowed, and more values.

    Raises:
        InstallError: Helm failed.
    """
    helm = shutil.which("helm") or binaries.ensure("helm")["helm"]
    command = [str(helm), "upgrade", "--install", "download-operator", str(CHART)]
    where = [f"--namespace={NAMESPACE}", "--create-namespace", f"--kubeconfig={cluster.kubeconfig}"]
    ranges = f"operator.allowCidrs={{{','.join(PRIVATE_RANGES)}}}"
    values = [f"--set={value}" for value in (ranges, *more)]
    done = subprocess.run(
        [*command, *where, *values, "--wait", "--timeout=180s"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pods = kubectl_of(cluster, NAMESPACE)("describe", "pods")
        raise InstallError(f"helm install failed:\n{done.stderr}\n{pods[-3000:]}")


def install_by_kubectl(cluster: Cluster) -> None:
    """Apply manifests/install.yaml with kubectl, with the same addresses allowed."""
    kubectl = kubectl_of(cluster, NAMESPACE)
    kubectl.within("")("apply", f"--filename={INSTALL}")
    ranges = f"DOWNLOAD_OPERATOR_ALLOW_CIDRS={','.join(PRIVATE_RANGES)}"
    kubectl("set", "env", "deployment/download-operator", ranges)
    for deployment in ("download-operator", "download-operator-api"):
        kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=180s", timeout=200)


def serve_files(cluster: Cluster) -> None:
    """Start the web server and wait until it responds inside the cluster."""
    kubectl = kubectl_of(cluster, WEB_NAMESPACE)
    kubectl.apply(*_web_server())
    kubectl("rollout", "status", "deployment/files", "--timeout=120s", timeout=130)


def api_token(kubectl: Kubectl, account: str) -> str:
    """Return a token for the HTTP API of a service account in the namespace of *kubectl*."""
    return kubectl("create", "token", account, f"--audience={API_AUDIENCE}").strip()


@contextmanager
def port_forward(
    cluster: Cluster, service: str, namespace: str = NAMESPACE, port: int = 8080
) -> Iterator[str]:
    """Make a Service reachable from this machine, and yield its URL.

    Raises:
        InstallError: kubectl port-forward failed.
    """
    kubectl = kubectl_of(cluster, namespace)
    command = [str(kubectl.program), f"--kubeconfig={kubectl.kubeconfig}", "port-forward"]
    with subprocess.Popen(
        [*command, f"--namespace={namespace}", f"service/{service}", f":{port}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            match = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            if match is None:
                raise InstallError(f"kubectl port-forward to the Service {service} failed")
            yield f"http://127.0.0.1:{match[1]}"
        finally:
            process.terminate()


def sha256_on_claim(kubectl: Kubectl, claim: str, location: str) -> str:
    """Return the SHA-256 of a file on a volume, as a Pod that mounts it reads it."""
    path = location.removeprefix(f"volume://{claim}/")
    look = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
    container = {
        "name": "look",
        "image": images.reference("worker"),
        "command": ["python3", "-c", look, f"/data/{path}"],
        "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    metadata = {"generateName": "look-"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    name = kubectl("create", "--filename=-", "--output=name", stdin=json.dumps(pod)).strip()

    def digest() -> str | None:
        phase = kubectl.get(name)["status"]["phase"]
        return kubectl("logs", name).strip() if phase == "Succeeded" else None

    try:
        return wait_for(f"the SHA-256 of {location}", digest, timeout=60)
    finally:
        kubectl("delete", name, "--wait=false")


def claim(name: str) -> dict[str, Any]:
    """Return a PersistentVolumeClaim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def author(name: str, namespace: str, *claims: str) -> list[dict[str, Any]]:
    """Return a service account that may manage schedules and have them write to some claims."""
    use = {
        "apiGroups": [""],
        "resources": ["persistentvolumeclaims"],
        "resourceNames": list(claims),
        "verbs": ["use"],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {**_rbac("Role", f"{name}-claims"), "rules": [use] if claims else []},
        *(
            {
                **_rbac("RoleBinding", role),
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }
            for kind, role in (("Role", f"{name}-claims"), ("ClusterRole", "downloads-editor"))
        ),
    ]


def _rbac(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}}


def _web_server() -> list[dict[str, Any]]:
    labels = {"app": "files"}
    script = {"webserver.py": (Path(__file__).parent / "webserver.py").read_text()}
    container = {
        "name": "files",
        "image": images.reference("operator"),
        "command": ["python3", "/srv/webserver.py", "8000"],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/status/200", "port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "script", "mountPath": "/srv"}],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "script", "configMap": {"name": "files"}}],
        },
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WEB_NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "files", "namespace": WEB_NAMESPACE},
            "data": script,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "files", "namespace": WEB_NAMESPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "files", "namespace": WEB_NAMESPACE},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
        },
    ]
