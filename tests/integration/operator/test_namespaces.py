"""An operator that serves some namespaces, with the rights that the chart grants it there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

INSTALL = Path(__file__).parents[3] / "manifests/install.yaml"
ACCOUNT = "download-operator"


@pytest.fixture
def kubeconfig(kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of an account with the operator's rights in the test's namespace alone."""
    role = next(
        manifest
        for manifest in yaml.safe_load_all(INSTALL.read_text())
        if manifest["kind"] == "ClusterRole" and manifest["metadata"]["name"] == ACCOUNT
    )
    role["metadata"]["name"] = kubectl.namespace
    kubectl.apply(role)
    default = kubectl.within("default")
    endpoints = ("--verb=get", "--resource=endpointslices", "--resource-name=kubernetes")
    default("create", "role", kubectl.namespace, *endpoints)
    kubectl("create", "serviceaccount", ACCOUNT)
    kubectl("create", "role", "lease", "--verb=get,create,update", "--resource=leases")
    account = f"--serviceaccount={kubectl.namespace}:{ACCOUNT}"
    default("create", "rolebinding", kubectl.namespace, f"--role={kubectl.namespace}", account)
    kubectl("create", "rolebinding", "lease", "--role=lease", account)
    kubectl("create", "rolebinding", "all", f"--clusterrole={kubectl.namespace}", account)
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    content["users"][0]["user"] = {"token": kubectl("create", "token", ACCOUNT).strip()}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    yield path
    kubectl("delete", "clusterrole", kubectl.namespace)
    default("delete", f"role/{kubectl.namespace}", f"rolebinding/{kubectl.namespace}")


def test_namespace_without_rights_does_not_delay_the_others(
    kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    kubectl.apply(schedule("before"))
    home = kubectl.namespace
    operator = Operator(
        kubeconfig, tmp_path / "log", namespaces=f"nowhere,{home}", lease_namespace=home
    )
    try:
        kubectl("wait", "--for=condition=Ready", "dls/before", "--timeout=120s")
        kubectl.apply(schedule("after"))
        kubectl("wait", "--for=condition=Ready", "dls/after", "--timeout=120s")
        assert operator.has_logged("namespaces/nowhere/downloadschedules failed")
        assert operator.get("/healthz").status_code == 200
    finally:
        assert operator.stop() == 0


def test_run_starts_where_owner_references_need_a_right(
    kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    home = kubectl.namespace
    operator = Operator(kubeconfig, tmp_path / "log", namespaces=home, lease_namespace=home)
    try:
        kubectl.apply(schedule("report"))
        kubectl("wait", "--for=condition=Ready", "dls/report", "--timeout=120s")
        kubectl("annotate", "dls/report", "downloads.dev/run-requested=now")
        (job,) = wait_for("the Job", lambda: kubectl.list("jobs"))
        assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
        assert not operator.has_logged("forbidden")
    finally:
        assert operator.stop() == 0
