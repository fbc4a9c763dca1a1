"""Each format, two destinations, a Secret in a header, a deleted Pod: all at once, in real Pods."""

import hashlib
from typing import Any

import pytest

from tests.e2e.runs import END_SECONDS, ended, run_of, secret
from tests.support.kubectl import Kubectl, wait_for
from tests.support.schedules import schedule
from tools import images
from tools.cluster import Cluster
from tools.demo import install
from tools.demo.webserver import PAGE, content

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]

EXTENSIONS = {
    "raw": "-page",
    "html": ".html",
    "text": ".txt",
    "markdown": ".md",
    "json": ".json",
    "pdf": ".pdf",
}
FILES = install.WEB_URL


@pytest.fixture
def with_pdf(stage: Cluster) -> None:
    stage.load(*images.build("worker-pdf").values())
    kubectl = install.kubectl_of(stage, install.NAMESPACE)
    image = f"DOWNLOAD_OPERATOR_PDF_IMAGE={images.reference('worker-pdf')}"
    kubectl("set", "env", "deployment/download-operator", image)
    kubectl("rollout", "status", "deployment/download-operator", "--timeout=120s", timeout=130)


def test_formats_and_destinations(stage: Cluster, with_pdf: None, namespace: Kubectl) -> None:
    volume = {"volume": {"claimName": "data"}}
    hidden = {"secretKeyRef": {"name": "word", "key": "word"}}
    headers = [{"name": "Authorization", "valueFrom": hidden}]
    namespace.apply(
        install.claim("data"),
        secret("word", word="swordfish"),
        *(
            schedule(each, url=f"{FILES}/page", format=each, destination=volume)
            for each in EXTENSIONS
        ),
        schedule("discard", url=f"{FILES}/files/b", destination={"discard": {}}),
        schedule(
            "secret", url=f"{FILES}/guarded/swordfish/c", request={"headers": headers},
            destination=volume,
        ),
        schedule("resumed", url=f"{FILES}/steady/d", destination=volume),
    )  # fmt: skip
    namespace("wait", "--for=condition=Ready", "dls", "--all", "--timeout=60s")
    namespace("annotate", "dls", "--all", "downloads.dev/run-requested=one")

    delete_its_pod(stage, namespace)
    check_formats(namespace)
    discarded = ended(namespace, "discard")
    assert discarded["sha256"] == hashlib.sha256(content("b")).hexdigest()
    assert "location" not in discarded
    check_on_volume(namespace, "secret", content("c"))
    resumed = check_on_volume(namespace, "resumed", content("d"))
    assert resumed["attempts"] == 2
    starts = steady_starts(stage)
    assert len(starts) == 2
    assert starts[1] > 0


def check_formats(kubectl: Kubectl) -> None:
    """What is in them is told by tests of the worker; here, that each image can make them."""
    for form, extension in EXTENSIONS.items():
        run = ended(kubectl, form)
        assert run["state"] == "Completed", run
        assert run["location"].endswith(extension)
    for form in ("raw", "html"):
        assert ended(kubectl, form)["sha256"] == hashlib.sha256(PAGE).hexdigest()
    printed = ended(kubectl, "pdf")
    assert printed["bytes"] > 1000
    assert install.sha256_on_claim(kubectl, "data", printed["location"]) == printed["sha256"]


def check_on_volume(kubectl: Kubectl, name: str, body: bytes) -> dict[str, Any]:
    run = ended(kubectl, name)
    assert run["state"] == "Completed", run
    served = hashlib.sha256(body).hexdigest()
    assert run["sha256"] == served
    assert install.sha256_on_claim(kubectl, "data", run["location"]) == served
    return run


def delete_its_pod(stage: Cluster, kubectl: Kubectl) -> None:
    """Once bytes are on their way to it."""
    run_of(kubectl, "resumed", "Running")
    wait_for("the file to be asked for", lambda: steady_starts(stage), END_SECONDS)
    job = run_of(kubectl, "resumed", "Running")["job"]
    kubectl("delete", "pods", f"--selector=batch.kubernetes.io/job-name={job}", "--wait=false")


def steady_starts(stage: Cluster) -> list[int]:
    """From which byte on the file was asked for, each time."""
    log = install.kubectl_of(stage, install.WEB_NAMESPACE)("logs", "deployment/files")
    return [int(line.split()[-1]) for line in log.splitlines() if line.startswith("steady from")]
