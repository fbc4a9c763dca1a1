"""What the documents show works: manifests are accepted, shell blocks run."""

import http.server
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.documents import DOCS, REPOSITORY, blocks, documents, name_of, run_shell
from tests.support.operator_process import StartOperator
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

SAMPLE = REPOSITORY / "manifests" / "samples" / "daily-report.yaml"
MANIFESTS = [(document, text) for document in documents() for text in blocks(document, "yaml")]
BODY = b"date;price\n"


@pytest.fixture
def shell(kubectl: Kubectl, cluster: LocalCluster, tmp_path: Path) -> dict[str, str]:
    """The environment of a shell with kubectl, in the test's own namespace."""
    kubeconfig = tmp_path / "kubeconfig"
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = kubectl.namespace
    kubeconfig.write_text(yaml.safe_dump(config))
    path = f"{kubectl.program.parent}{os.pathsep}{os.environ['PATH']}"
    return {"KUBECONFIG": str(kubeconfig), "PATH": path}


def run_blocks(page: str, shell: Mapping[str, str]) -> str:
    """Run the shell blocks of a page one after the other; return what they print."""
    script = "".join(blocks(REPOSITORY / page, "sh"))
    done = run_shell(script, shell)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def page_name(value: object) -> str:
    return name_of(value) if isinstance(value, Path) else ""


def test_there_are_manifests() -> None:
    assert len(MANIFESTS) >= 7


@pytest.mark.parametrize(("document", "text"), MANIFESTS, ids=page_name)
def test_manifest_is_accepted(document: Path, text: str, kubectl: Kubectl) -> None:
    kubectl("apply", "--filename=-", "--dry-run=server", stdin=text)


def test_commands_of_the_readme(
    kubectl: Kubectl, start_operator: StartOperator, shell: Mapping[str, str]
) -> None:
    start_operator(namespaces=kubectl.namespace)

    run_blocks("README.md", shell)

    wait_for("the run asked for", lambda: kubectl.list("jobs"))


def test_commands_of_the_guide_to_runs(
    kubectl: Kubectl, start_operator: StartOperator, shell: Mapping[str, str]
) -> None:
    start_operator(namespaces=kubectl.namespace)
    kubectl("apply", f"--filename={SAMPLE}")

    run_blocks("docs/guides/runs.md", shell)

    wait_for("the run asked for", lambda: kubectl.list("jobs"))
    assert kubectl.get("dls", "daily-report")["spec"]["suspend"]


def test_command_of_the_guide_to_operating(
    kubectl: Kubectl, start_operator: StartOperator, shell: Mapping[str, str]
) -> None:
    start_operator(namespaces=kubectl.namespace)
    kubectl("apply", f"--filename={SAMPLE}")
    kubectl("wait", "--for=condition=Ready", "dls/daily-report", "--timeout=120s")

    output = run_blocks("docs/guides/operating.md", shell)

    (line,) = [line for line in output.splitlines() if line.split()[0] == kubectl.namespace]
    assert line.split(maxsplit=3)[1:3] == ["daily-report", "True"]


def test_commands_of_the_guide_to_migrating(kubectl: Kubectl, shell: Mapping[str, str]) -> None:
    run_blocks("docs/guides/migrating-from-curl.md", shell)

    secret = kubectl("get", "secret", "partner", "--output=jsonpath={.data.authorization}")
    assert secret == "QmFzaWMgVGtGTlJUcFFRVk5UVjA5U1JBPT0="
    assert kubectl.get("dls", "partner")


def test_reference_has_every_metric_that_the_operator_serves(
    start_operator: StartOperator,
) -> None:
    operator = start_operator()

    served = httpx.get(f"http://127.0.0.1:{operator.health_port}/metrics").text

    reference = (DOCS / "reference" / "metrics.md").read_text()
    names = re.findall(r"^# HELP (\S+) ", served, re.MULTILINE)
    assert len(names) >= 9
    for name in names:
        assert f"| `{name}` |" in reference


@contextmanager
def served() -> Iterator[str]:
    """Serve one file on loopback until the block ends; yields the address of the server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_command_of_the_guide_to_fetching(tmp_path: Path) -> None:
    (command,) = blocks(DOCS / "guides" / "fetching.md", "sh")

    with served() as address:
        local = command.replace("https://example.com", address)
        done = run_shell(local.replace(" -o ", " --allow 127.0.0.0/8 -o "), folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == len(BODY)
    assert (tmp_path / "report.csv").read_bytes() == BODY
