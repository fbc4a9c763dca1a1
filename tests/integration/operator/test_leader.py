"""Two replicas, one Lease: who takes over, how soon, and who never writes again."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

from aiohttp import ClientResponse, web

from tests.chaos.faulty_proxy import Trouble
from tests.integration.conftest import StartOperator
from tests.support.fake_kubelet import end_pod, history, recorded, run_pod, start_run
from tests.support.kubeconfig import detour_of, login_by
from tests.support.kubectl import Kubectl, wait_for
from tests.support.operator_process import Operator
from tests.support.schedules import schedule
from tests.support.write_audit import Writes, writes
from tools.cluster import LocalCluster

TAKEOVER_SECONDS = 20
RUNS = 6
RUN_NOW = {"metadata": {"annotations": {"downloads.dev/run-requested": "once"}}}


def two(start_operator: StartOperator, kubectl: Kubectl) -> tuple[Operator, Operator]:
    """A leader and a warm standby that share a Lease of their own."""
    settings = {"namespaces": kubectl.namespace, "lease_namespace": kubectl.namespace}
    leader = start_operator(**settings, identity="leader")
    standby = start_operator(**settings, identity="standby", wait=False)
    wait_for("the standby's picture", lambda: "standing by" in standby.log.read_text())
    return leader, standby


def over(kubectl: Kubectl) -> list[str]:
    return [run["job"] for run in history(kubectl, "report") if run["state"] == "Completed"]


def by_the_operator(kubectl: Kubectl) -> Writes:
    """Without what Kubernetes' own controller writes."""
    return Counter({what: n for what, n in writes(kubectl).items() if what[1] != "cronjobs/status"})


def make_ready(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    kubectl("wait", "--for=condition=Ready", "dls/report")


def test_the_standby_takes_over_what_ends_while_the_leader_dies(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = two(start_operator, kubectl)
    make_ready(kubectl)
    names = [f"run-{number}" for number in range(RUNS)]
    for name in names:
        start_run(kubectl, "report", name)
    for number, name in enumerate(names):
        if number == RUNS // 2:
            leader.kill()
            killed = time.monotonic()
        end_pod(kubectl, name)
    wait_for(
        "all of them",
        lambda: sorted(over(kubectl)) == names,
        timeout=TAKEOVER_SECONDS + killed - time.monotonic(),
    )
    status = kubectl.get("dls", "report")["status"]
    assert status["counts"] == {"completed": RUNS, "failed": 0, "missed": 0}
    assert len(history(kubectl, "report")) == RUNS
    assert "Lease ours" in standby.log.read_text()


def test_a_leader_that_was_frozen_writes_nothing_and_ends(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = two(start_operator, kubectl)
    make_ready(kubectl)
    start_run(kubectl, "report", "before")
    leader.process.send_signal(signal.SIGSTOP)
    wait_for("the takeover", lambda: "Lease ours" in standby.log.read_text(), timeout=30)
    standby.process.send_signal(signal.SIGSTOP)  # whatever is written now, the old leader wrote
    lease = kubectl.get("lease", "download-operator")["spec"]["holderIdentity"]
    assert lease == "standby"
    end_pod(kubectl, "before")
    wait_for("the Job's end", lambda: "completionTime" in kubectl.get("job", "before")["status"])
    kubectl.apply(schedule("new"))
    kubectl.patch("dls", "report", {"spec": {"schedule": "0 3 * * *"}})
    kubectl.patch("dls", "report", RUN_NOW)
    before = by_the_operator(kubectl)
    leader.process.send_signal(signal.SIGCONT)
    assert leader.process.wait(timeout=30) == 1
    assert by_the_operator(kubectl) - before == Counter()
    assert "has lost the Lease" in leader.log.read_text()
    assert "Traceback" not in leader.log.read_text()
    standby.process.send_signal(signal.SIGCONT)
    wait_for("the record", lambda: over(kubectl) == ["before"], timeout=30)
    kubectl("wait", "--for=condition=Ready", "dls/new", "--timeout=30s")
    made = by_the_operator(kubectl) - before
    assert made["POST", "cronjobs"] == made["POST", "jobs"] == 1


def test_a_leader_that_is_stopped_hands_over_at_once(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = two(start_operator, kubectl)
    assert leader.stop() == 0
    wait_for("the takeover", lambda: "Lease ours" in standby.log.read_text(), timeout=4)


class MutesJobs(Trouble):
    """Spoils nothing but watches of Jobs, in which it says nothing."""

    def _strikes(self, _kind: str) -> bool:
        return False

    async def _watch(self, request: web.Request, answer: ClientResponse) -> web.StreamResponse:
        if not request.path.endswith("/jobs"):
            return await super()._watch(request, answer)
        response = web.StreamResponse(headers={"Content-Type": answer.content_type})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response


def test_a_standby_that_has_not_heard_of_a_run_does_not_take_it_for_lost(
    kubectl: Kubectl, cluster: LocalCluster, start_operator: StartOperator, tmp_path: Path
) -> None:
    settings = {"namespaces": kubectl.namespace, "lease_namespace": kubectl.namespace}
    log = tmp_path / "standby.log"
    log.touch()

    def play(detour: Path) -> None:
        leader = start_operator(**settings, identity="leader")
        standby = Operator(detour, log, **settings, identity="standby")
        try:
            wait_for("the standby's picture", lambda: "standing by" in log.read_text())
            make_ready(kubectl)
            start_run(kubectl, "report", "late")
            run_pod(kubectl, "late")
            recorded(kubectl, "report", "late", "Running")
            leader.kill()
            end_pod(kubectl, "late")
            recorded(kubectl, "report", "late", "Completed", "Failed")
        finally:
            standby.stop()

    async def scene() -> None:
        way = MutesJobs(login_by(cluster.kubeconfig)(), random.Random(1))
        detour = detour_of(cluster.kubeconfig, await way.start(), tmp_path)
        try:
            await asyncio.to_thread(play, detour)
        finally:
            await way.stop()

    asyncio.run(scene())
    counts = kubectl.get("dls", "report")["status"]["counts"]
    assert counts == {"completed": 1, "failed": 0, "missed": 0}


def test_a_standby_that_is_stopped_ends_at_once(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    """Or five seconds later, which kopf gives its look at the cluster where that is not over."""
    _, standby = two(start_operator, kubectl)
    standby.process.send_signal(signal.SIGTERM)
    assert standby.process.wait(timeout=15) == 0
