"""Who the operator is where it runs by hand."""

import json
from pathlib import Path

import yaml

from tests.support.kubeconfig import login_by
from tests.support.kubectl import Kubectl
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster

EXEC_API = "client.authentication.k8s.io/v1"


def plugin_of(kubeconfig: Path, folder: Path) -> Path:
    """Return a kubeconfig whose user is said by a program, as those of cloud providers are."""
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


def test_a_login_plugin_is_asked(kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    log.touch()
    kubectl.apply(schedule("report"))
    home = kubectl.namespace
    kubeconfig = plugin_of(cluster.kubeconfig, tmp_path)
    operator = Operator(kubeconfig, log, namespaces=home, lease_namespace=home)
    try:
        kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=30s")
        assert "forbidden" not in log.read_text()
    finally:
        assert operator.stop() == 0
