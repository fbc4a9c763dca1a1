"""The tutorial, run as it stands there but for the addresses and the reader's image."""

import os
from pathlib import Path

import pytest
import yaml

from tests.support.documents import DOCS, blocks, run_shell
from tools import images
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl
from tools.demo import install
from tools.demo.webserver import PAGE

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]

REPLACED = {
    "https://example.com/missing": f"{install.WEB_URL}/missing",
    "https://example.com/": f"{install.WEB_URL}/page",
    "image: busybox": f"image: {images.reference('operator')}",
}
"""The cluster has no way to the internet."""


def test_tutorial_leads_from_apply_to_the_file(
    stage: Cluster, namespace: Kubectl, tmp_path: Path
) -> None:
    script = "".join(blocks(DOCS / "getting-started.md", "sh"))
    for shown, local in REPLACED.items():
        assert shown in script
        script = script.replace(shown, local)
    config = yaml.safe_load(namespace.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace.namespace
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    path = f"{namespace.program.parent}{os.pathsep}{os.environ['PATH']}"

    done = run_shell(script, {"KUBECONFIG": str(kubeconfig), "PATH": path})

    assert done.returncode == 0, done.stderr
    assert PAGE.decode() in done.stdout
    assert "HTTPStatus: " in done.stdout
