"""The owner of the CRD while the chart is installed, uninstalled and installed again."""

import subprocess

from tools.cluster import LocalCluster, binaries
from tools.cluster.kubectl import Kubectl
from tools.generate.manifests import CHART

CRD = "crd/downloadschedules.downloads.dev"
OTHERS = "invalid ownership metadata"


def test_crd_changes_its_owner_only_on_request(own_cluster: LocalCluster) -> None:
    programs = binaries.ensure("helm", "kubectl")
    kubectl = Kubectl(programs["kubectl"], own_cluster.kubeconfig)

    def helm(command: str, release: str, *arguments: str) -> str:
        argv = [str(programs["helm"]), command, release, *arguments]
        where = [f"--kubeconfig={own_cluster.kubeconfig}", "--namespace=default"]
        return subprocess.run([*argv, *where], capture_output=True, text=True, check=False).stderr

    def install(release: str, *arguments: str) -> str:
        return helm("install", release, str(CHART), *arguments)

    # kubectl has created it: Helm does not take it over.
    assert OTHERS in install("one")
    assert "Error" not in install("one", "--set=crd.install=false")
    assert OTHERS in install("two", "--set=crd.install=false")
    helm("uninstall", "one")
    kubectl("delete", CRD)
    # A release has created it: another release does not take it over.
    assert "Error" not in install("one")
    helm("uninstall", "one")
    assert kubectl.get(CRD)
    assert "Error" not in install("one")
    helm("uninstall", "one")
    assert OTHERS in install("two")
    assert "Error" not in install("two", "--take-ownership")
