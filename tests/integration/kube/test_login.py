"""How an operator logs in that runs outside of a cluster."""

import json
from pathlib import Path

import yaml

from tests.support.kubeconfig import login_by
from tests.support.memory_limit import NO_LIMIT
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl

EXEC_API = "client.authentication.k8s.io/v1"


def with_login_plugin(kubeconfig: Path, folder: Path) -> Path:
    """Return a kubeconfig whose credentials come from a program, as with cloud providers."""
    account = login_by(kubeconfig)()
    status = {
        "clientCertificateData": Path(str(account.certificate_path)).read_text(),
        "clientKeyData": Path(str(account.private_key_path)).read_text(),
    }
    credential = folder / "credential.json"
    credential.write_text(
        json.dumps({"apiVersion": EXEC_API, "kind": "ExecCredential", "status": status})
    )
    content = yaml.safe_load(kubeconfig.read_text())
    program = {"apiVersion": EXEC_API, "command": "cat", "args": [str(credential)]}
    content["users"][0]["user"] = {"exec": {**program, "interactiveMode": "Never"}}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def test_login_plugin_of_a_kubeconfig_is_used(
    kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path
) -> None:
    kubectl.apply(schedule("report"))
    home = kubectl.namespace
    kubeconfig = with_login_plugin(cluster.kubeconfig, tmp_path)
    # The kubernetes package looks for the kubeconfig when it is imported.
    operator = Operator(
        kubeconfig, tmp_path / "log", NO_LIMIT, False, namespaces=home, lease_namespace=home
    )
    try:
        kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=120s")
        assert not operator.has_logged("forbidden")
    finally:
        assert operator.stop() == 0
