"""The life of runs with real Pods: requested, overlapping, stuck and interrupted."""

import json
from typing import Any

import pytest

from tests.e2e.runs import ask, runs, wait_for_run
from tests.support.schedules import schedule
from tools.cluster import Cluster, LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.demo import install

pytestmark = [
    pytest.mark.timeout(900),
    # How the product was installed makes no difference to a run.
    pytest.mark.parametrize("stage", ["helm"], indirect=True),
]

SLOW = f"{install.WEB_URL}/slow/25"
TWO_MINUTES = {"everySeconds": 10, "atMostSeconds": 120}
TEN_SECONDS = {"everySeconds": 10, "atMostSeconds": 10}
EXPLAIN_SECONDS = 60.0
"""How long a run that cannot start may take until it says why."""


@pytest.fixture
def ready(namespace: Kubectl) -> Kubectl:
    """All schedules of the test, created together."""
    missing_secret = {"secretKeyRef": {"name": "none", "key": "k"}}
    no_secret = {"headers": [{"name": "A", "valueFrom": missing_secret}]}
    no_claim = {"volume": {"claimName": "none"}}
    namespace.apply(
        schedule("forbid", url=SLOW, concurrencyPolicy="Forbid"),
        schedule("allow", url=SLOW, concurrencyPolicy="Allow"),
        schedule("replace", url=SLOW, concurrencyPolicy="Replace"),
        schedule("suspended", url=SLOW),
        schedule("deleted", url=SLOW),
        schedule("late", url=SLOW, activeDeadlineSeconds=5),
        schedule("comes-late", url=f"{install.WEB_URL}/late/15/x", waitFor=TWO_MINUTES),
        schedule("never-comes", url=f"{install.WEB_URL}/status/404", waitFor=TEN_SECONDS),
        schedule("no-claim", destination=no_claim),
        schedule("no-secret", request=no_secret),
        schedule("no-image"),
        schedule("no-claim-in-time", destination=no_claim, activeDeadlineSeconds=15),
        schedule("no-secret-in-time", request=no_secret, activeDeadlineSeconds=15),
    )
    namespace("wait", "--for=condition=Ready", "dls", "--all", "--timeout=60s")
    return namespace


def test_runs_start_overlap_and_end_as_their_schedules_say(stage: Cluster, ready: Kubectl) -> None:
    """They run side by side, because each takes its time."""
    for name in ("forbid", "allow", "replace", "suspended", "deleted", "late"):
        ask(ready, name, "one")
    for name in ("comes-late", "never-comes"):
        ask(ready, name, "one")
    for name in ("no-claim", "no-secret", "no-claim-in-time", "no-secret-in-time"):
        ask(ready, name, "one")
    start_without_image(ready)
    for name in ("forbid", "allow", "replace", "suspended", "deleted"):
        wait_for_run(ready, name, "one", state="Running")
    waiting = wait_for_run(ready, "comes-late", "one", state="Running")
    assert waiting["message"].startswith("If the file is not there yet, the run looks again")
    for name in ("forbid", "allow", "replace"):
        ask(ready, name, "two")
    ready.patch("dls", "suspended", {"spec": {"suspend": True}})
    ready("delete", "dls", "deleted")

    check_deleted(ready)
    wait_for_run(ready, "allow", "two", state="Running")
    wait_for_run(ready, "replace", "one", state="Failed", reason="JobDeleted")
    wait_for_run(ready, "replace", "two", state="Running")
    assert [run["token"] for run in runs(ready, "forbid")] == ["one"]
    if isinstance(stage, LocalCluster):
        stage.restart("kubelet")

    check_stuck(ready)
    check_late_files(ready)
    wait_for_run(ready, "late", "one", state="Failed", reason="DeadlineExceeded")
    for name in ("no-claim-in-time", "no-secret-in-time"):
        late = wait_for_run(ready, name, "one", state="Failed", reason="DeadlineExceeded")
        assert '"none" not found' in late["message"]
    wait_for_run(ready, "suspended", "one", state="Completed")
    wait_for_run(ready, "forbid", "one", state="Completed")
    wait_for_run(ready, "forbid", "two", state="Completed", timeout=90)
    for name in ("allow", "replace"):
        wait_for_run(ready, name, "two", state="Completed")
    ask(ready, "allow", "one")
    ask(ready, "forbid", "three")
    wait_for_run(ready, "forbid", "three")
    assert sorted(run["token"] for run in runs(ready, "allow")) == ["one", "two"]


def check_deleted(kubectl: Kubectl) -> None:
    def remaining() -> list[str]:
        names = [item["metadata"]["name"] for item in kubectl.list("cronjobs,jobs,pods")]
        return [name for name in names if name.startswith("deleted")]

    wait_for("nothing left of the deleted one", lambda: not remaining(), timeout=90, every=1)


def check_late_files(kubectl: Kubectl) -> None:
    never = wait_for_run(kubectl, "never-comes", "one", state="Failed", reason="NotYet")
    assert (never["attempts"], never["httpStatus"]) == (1, 404)
    came = wait_for_run(kubectl, "comes-late", "one", state="Completed")
    assert came["attempts"] == 1
    assert "message" not in came


def check_stuck(kubectl: Kubectl) -> None:
    claim = wait_for_run(kubectl, "no-claim", "one", EXPLAIN_SECONDS, reason="Unschedulable")
    assert '"none" not found' in claim["message"]
    secret = wait_for_run(
        kubectl, "no-secret", "one", EXPLAIN_SECONDS, reason="CreateContainerConfigError"
    )
    assert 'secret "none" not found' in secret["message"]
    assert (claim["state"], secret["state"]) == ("Pending", "Pending")

    def image() -> dict[str, Any] | None:
        matching = [run for run in runs(kubectl, "no-image") if "Image" in run.get("reason", "")]
        return matching[0] if matching else None

    assert wait_for("why there is no image", image, EXPLAIN_SECONDS)["state"] == "Pending"


def start_without_image(kubectl: Kubectl) -> None:
    """Create a Job from the CronJob with an image that no registry has."""
    source = ("create", "job", "no-image-1", "--from=cronjob/no-image")
    job = json.loads(kubectl(*source, "--dry-run=client", "--output=json"))
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "127.0.0.1:1/nowhere:1"
    kubectl.apply(job)
