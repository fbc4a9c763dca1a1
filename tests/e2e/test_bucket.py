"""A bucket of a real S3 server as the destination, with the right key, a wrong one and none."""

import hashlib
from typing import Any

import pytest

from tests.e2e.runs import ended, run_of, secret
from tests.support.s3 import KEY_ID, SECRET
from tests.support.schedules import schedule
from tools.cluster import Cluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.demo import install, s3_server
from tools.demo.webserver import content

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]

EXPLAIN_SECONDS = 60.0
"""How long a run that cannot start may take until it says why."""


def to_bucket(name: str, secret_name: str) -> dict[str, Any]:
    destination = {
        "bucket": "downloads",
        "endpoint": s3_server.ENDPOINT,
        "credentialsSecretRef": {"name": secret_name},
    }
    return schedule(name, url=f"{install.WEB_URL}/files/e", destination={"s3": destination})


def test_bucket_takes_files_or_the_run_says_why_not(stage: Cluster, namespace: Kubectl) -> None:
    with s3_server.running(stage) as service:
        namespace.apply(
            secret("right", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET),
            secret("wrong", AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY="not-it"),
            to_bucket("saved", "right"),
            to_bucket("denied", "wrong"),
            to_bucket("unstarted", "none"),
        )
        namespace("wait", "--for=condition=Ready", "dls", "--all", "--timeout=60s")
        namespace("annotate", "dls", "--all", "downloads.dev/run-requested=one")

        saved = ended(namespace, "saved")
        assert saved["state"] == "Completed", saved
        served = hashlib.sha256(content("e")).hexdigest()
        assert (saved["sha256"], saved["bytes"]) == (served, len(content("e")))
        (key,) = service.names()
        assert saved["location"] == f"s3://downloads/{key}"
        assert key.startswith(f"{namespace.namespace}/saved/")
        assert service.read(key) == content("e")
        assert service.attributes(key)["sha256"] == served

        denied = ended(namespace, "denied")
        assert (denied["state"], denied["reason"]) == ("Failed", "BucketDenied"), denied
        assert denied["attempts"] == 1
        assert "bucket downloads refuses the credentials" in denied["message"]
        assert "Secret wrong" in denied["message"]
        assert "not-it" not in denied["message"]
        check_unstarted(namespace)


def check_unstarted(kubectl: Kubectl) -> None:
    def explained() -> dict[str, Any] | None:
        run = run_of(kubectl, "unstarted", "Pending")
        return run if "reason" in run else None

    run = wait_for("why the run does not start", explained, EXPLAIN_SECONDS, every=1)
    assert run["reason"] == "CreateContainerConfigError"
    assert 'secret "none" not found' in run["message"]
