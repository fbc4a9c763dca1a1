"""Every format, two destinations, a Secret in a header and a deleted Pod, in real Pods."""

import hashlib
from typing import Any

import pytest

from tests.e2e.runs import END_SECONDS, ended, run_of, secret
from tests.support.schedules import schedule
from tools import images
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl, wait_for
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
def pdf_image(stage: Cluster) -> None:
    stage.load(*images.build("worker-pdf").values())
    kubectl = install.kubectl_of(stage, install.NAMESPACE)
    image = f"DOWNLOAD_OPERATOR_PDF_IMAGE={images.reference('worker-pdf')}"
    kubectl("set", "env", "deployment/download-operator", image)
    kubectl("rollout", "status", "deployment/download-operator", "--timeout=120s", timeout=130)


def test_formats_and_destinations(stage: Cluster, pdf_image: None, namespace: Kubectl) -> None:
    volume = {"volume": {"claimName": "data"}}
    hidden = {"secretKeyRef": {"name": "word", "key": "word"}}
    headers = [{"name": "Authorization", "valueFrom": hidden}]
    namespace.apply(
        install.claim("data"),
        secret("word", word="swordfish"),
        *(
            schedule(name, url=f"{FILES}/page", format=name, destination=volume)
            for name in EXTENSIONS
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

    delete_pod(stage, namespace)
    check_formats(namespace)
    discarded = ended(namespace, "discard")
    assert discarded["sha256"] == hashlib.sha256(content("b")).hexdigest()
    assert "location" not in discarded
    check_on_volume(namespace, "secret", content("c"))
    check_resumed(stage, namespace)


def check_resumed(stage: Cluster, kubectl: Kubectl) -> None:
    """The attempt after the deleted Pod goes on where that one stopped.

    A busy machine may need more than two Pods, but every Pod counts as one attempt.
    """
    run = check_on_volume(kubectl, "resumed", content("d"))
    assert run["attempts"] == pods_created(kubectl, run["job"]) >= 2
    starts = steady_starts(stage)
    assert starts[0] == 0
    assert starts[-1] > 0


def pods_created(kubectl: Kubectl, job: str) -> int:
    """Return how many Pods the Job controller says it has created for a Job."""
    selector = f"--field-selector=involvedObject.name={job},reason=SuccessfulCreate"
    return len(kubectl.list("events", selector))


def check_formats(kubectl: Kubectl) -> None:
    """Each image can convert. Tests of the worker check the contents."""
    for name, extension in EXTENSIONS.items():
        run = ended(kubectl, name)
        assert run["state"] == "Completed", run
        assert run["location"].endswith(extension)
    for name in ("raw", "html"):
        assert ended(kubectl, name)["sha256"] == hashlib.sha256(PAGE).hexdigest()
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


def delete_pod(stage: Cluster, kubectl: Kubectl) -> None:
    """Delete the Pod once it has asked for the file."""
    run_of(kubectl, "resumed", "Running")
    wait_for("the file to be asked for", lambda: steady_starts(stage), END_SECONDS)
    job = run_of(kubectl, "resumed", "Running")["job"]
    kubectl("delete", "pods", f"--selector=batch.kubernetes.io/job-name={job}", "--wait=false")


def steady_starts(stage: Cluster) -> list[int]:
    """Return the first byte of each request for the file."""
    log = install.kubectl_of(stage, install.WEB_NAMESPACE)("logs", "deployment/files")
    return [int(line.split()[-1]) for line in log.splitlines() if line.startswith("steady from")]
