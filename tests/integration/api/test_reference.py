"""The examples of the reference, run one after the other."""

import os
import re
import subprocess

import httpx

from tests.support.api_process import KEY
from tests.support.operator_process import StartOperator
from tools.cluster.host import require_program
from tools.cluster.kubectl import Kubectl
from tools.generate.manifests import REFERENCE, REPOSITORY


def test_examples_of_the_reference_run(
    api: httpx.Client, kubectl: Kubectl, start_operator: StartOperator
) -> None:
    start_operator(namespaces=kubectl.namespace)
    require_program("curl", "curl")
    text = (REPOSITORY / REFERENCE).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    routes = re.findall("^### (?:GET|POST|PUT|PATCH|DELETE) ", text, re.MULTILINE)
    assert len(blocks) - 1 == len(routes)  # the first block defines the function of all others
    address = str(api.base_url).rstrip("/")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
        env={**os.environ, "API": address, "TOKEN": KEY},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert '"trigger":"manual"' in done.stdout
    assert "the attempt has not started" in done.stdout
    assert "the run is not over" in done.stdout
    assert kubectl.list("dls") == []
