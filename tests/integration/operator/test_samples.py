"""Every sample is applied unchanged, and becomes Ready."""

from pathlib import Path

from tests.support.operator_process import StartOperator
from tools.cluster.kubectl import Kubectl

SAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "samples").glob("*.yaml"))


def test_samples_exist() -> None:
    assert len(SAMPLES) >= 5


def test_every_sample_becomes_ready(kubectl: Kubectl, start_operator: StartOperator) -> None:
    start_operator(pdf_image="example.com/worker-pdf:1")
    for sample in SAMPLES:
        kubectl("apply", f"--filename={sample}")
    kubectl("wait", "--for=condition=Ready", "dls", "--all", "--timeout=120s")
    names = {item["metadata"]["name"] for item in kubectl.list("dls")}
    assert names == {sample.stem for sample in SAMPLES}
    expression = kubectl.get("dls", "spread-over-the-hour")["status"]["schedule"]
    assert expression == kubectl.get("cronjob", "spread-over-the-hour")["spec"]["schedule"]
    assert "H" not in expression
