"""What the documents show is what works: manifests are applied, kubectl's commands run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import StartOperator
from tools.cluster import LocalCluster, binaries
from tools.generate.manifests import CHART, REPOSITORY

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
SAMPLE = REPOSITORY / "manifests" / "samples" / "daily-report.yaml"


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def test_every_manifest_in_the_documents_is_accepted(kubectl: Kubectl) -> None:
    shown = [text for document in DOCUMENTS for text in blocks(document, "yaml")]
    assert shown
    for text in shown:
        kubectl("apply", "--filename=-", "--dry-run=server", stdin=text)


def test_the_commands_of_the_guide_to_runs(
    kubectl: Kubectl, start_operator: StartOperator, cluster: LocalCluster, tmp_path: Path
) -> None:
    start_operator(namespaces=kubectl.namespace)
    kubectl("apply", f"--filename={SAMPLE}")
    (text,) = blocks(REPOSITORY / "docs" / "runs.md", "sh")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(cluster.kubeconfig.read_bytes())
    program = binaries.ensure("kubectl")["kubectl"]
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
    }
    context = ["config", "set-context", "--current", f"--namespace={kubectl.namespace}"]
    subprocess.run([program, *context], env=environment, check=True, capture_output=True)
    done = subprocess.run(
        ["bash", "-euc", text], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wait_for("the run asked for", lambda: kubectl.list("jobs"))
    assert kubectl.get("dls", "daily-report")["spec"]["suspend"]


def anchors(document: Path) -> set[str]:
    """What a `#` may lead to, as the headings are named on the web."""
    headings = re.findall(r"^#+ (.*)", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_links_between_the_documents_lead_somewhere() -> None:
    for document in (*DOCUMENTS, CHART / "README.md"):
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", document.read_text()):
            if "://" not in target:
                found = document.parent / target if target else document
                assert found.exists(), f"{document.name}: {target}"
                assert not anchor or anchor in anchors(found), f"{document.name}: #{anchor}"


@pytest.mark.parametrize("process", ["operator", "api"])
def test_every_setting_is_in_the_guide(process: str) -> None:
    guide = (REPOSITORY / "docs" / "operating.md").read_text()
    done = subprocess.run(
        [sys.executable, "-m", f"download_{process}", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for variable in re.findall(r"DOWNLOAD_[A-Z_]+", done.stdout):
        assert f"`{variable}`" in guide
