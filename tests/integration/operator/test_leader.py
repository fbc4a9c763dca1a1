"""Two replicas and one Lease: who takes over, how soon, and who never writes again."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

from aiohttp import ClientResponse, web

from tests.chaos.faulty_proxy import FaultyProxy
from tests.support.fake_kubelet import (
    end_pod,
    history,
    run_pod,
    start_run,
    wait_until_recorded,
)
from tests.support.kubeconfig import detour_of, login_by
from tests.support.operator_process import WORKING, Operator, StartOperator
from tests.support.schedules import schedule
from tests.support.write_audit import Writes, count_writes
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for

TAKEOVER_SECONDS = 20
RUNS = 6
RUN_NOW = {"metadata": {"annotations": {"downloads.dev/run-requested": "once"}}}


def start_two(start_operator: StartOperator, kubectl: Kubectl) -> tuple[Operator, Operator]:
    """Start a leader and a warm standby that share a Lease of their own."""
    settings = {"namespaces": kubectl.namespace, "lease_namespace": kubectl.namespace}
    leader = start_operator(**settings, identity="leader")
    standby = start_operator(**settings, identity="standby", wait=False)
    standby.wait_until_standing_by()
    return leader, standby


def completed_jobs(kubectl: Kubectl) -> list[str]:
    return [run["job"] for run in history(kubectl, "report") if run["state"] == "Completed"]


def operator_writes(kubectl: Kubectl) -> Writes:
    """Count writes without those of Kubernetes' own controllers."""
    writes = count_writes(kubectl)
    return Counter({kind: n for kind, n in writes.items() if kind[1] != "cronjobs/status"})


def make_ready(kubectl: Kubectl) -> None:
    kubectl.apply(schedule("report", concurrencyPolicy="Allow"))
    kubectl("wait", "--for=condition=Ready", "dls/report")


def test_standby_records_runs_that_end_while_the_leader_dies(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = start_two(start_operator, kubectl)
    make_ready(kubectl)
    names = [f"run-{number}" for number in range(RUNS)]
    for name in names:
        start_run(kubectl, "report", name)

    for number, name in enumerate(names):
        if number == RUNS // 2:
            leader.kill()
            killed_at = time.monotonic()
        end_pod(kubectl, name)

    wait_for(
        "all runs",
        lambda: sorted(completed_jobs(kubectl)) == names,
        timeout=TAKEOVER_SECONDS + killed_at - time.monotonic(),
    )
    status = kubectl.get("dls", "report")["status"]
    assert status["counts"] == {"completed": RUNS, "failed": 0, "missed": 0}
    assert len(history(kubectl, "report")) == RUNS
    assert standby.has_logged(WORKING)


def test_leader_that_was_frozen_writes_nothing_and_ends(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = start_two(start_operator, kubectl)
    make_ready(kubectl)
    start_run(kubectl, "report", "before")

    # Freeze both, one after the other: whatever is written after that, the old leader wrote.
    leader.process.send_signal(signal.SIGSTOP)
    wait_for("the takeover", lambda: standby.has_logged(WORKING), timeout=30)
    standby.process.send_signal(signal.SIGSTOP)
    holder = kubectl.get("lease", "download-operator")["spec"]["holderIdentity"]
    assert holder == "standby"
    end_pod(kubectl, "before")
    wait_for("the Job's end", lambda: "completionTime" in kubectl.get("job", "before")["status"])
    kubectl.apply(schedule("new"))
    kubectl.patch("dls", "report", {"spec": {"schedule": "0 3 * * *"}})
    kubectl.patch("dls", "report", RUN_NOW)
    before = operator_writes(kubectl)

    leader.process.send_signal(signal.SIGCONT)
    assert leader.process.wait(timeout=30) == 1
    assert operator_writes(kubectl) - before == Counter()
    assert leader.has_logged("has lost the Lease")
    assert not leader.has_logged("Traceback")

    standby.process.send_signal(signal.SIGCONT)
    wait_for("the record", lambda: completed_jobs(kubectl) == ["before"], timeout=30)
    kubectl("wait", "--for=condition=Ready", "dls/new", "--timeout=120s")
    writes = operator_writes(kubectl) - before
    assert writes["POST", "cronjobs"] == writes["POST", "jobs"] == 1


def test_leader_that_is_stopped_hands_over_at_once(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    leader, standby = start_two(start_operator, kubectl)

    assert leader.stop() == 0

    wait_for("the takeover", lambda: standby.has_logged(WORKING), timeout=4)


class SilentJobsWatch(FaultyProxy):
    """Spoils nothing, but delivers no event of a watch of Jobs."""

    def _strikes(self, _kind: str) -> bool:
        return False

    async def _forward_watch(
        self, request: web.Request, response: ClientResponse
    ) -> web.StreamResponse:
        if not request.path.endswith("/jobs"):
            return await super()._forward_watch(request, response)
        stream = web.StreamResponse(headers={"Content-Type": response.content_type})
        await stream.prepare(request)
        await asyncio.Event().wait()
        return stream


def test_standby_that_has_not_observed_a_run_does_not_report_it_as_deleted(
    kubectl: Kubectl, cluster: LocalCluster, start_operator: StartOperator, tmp_path: Path
) -> None:
    settings = {"namespaces": kubectl.namespace, "lease_namespace": kubectl.namespace}

    def act(detour: Path) -> None:
        leader = start_operator(**settings, identity="leader")
        standby = Operator(detour, tmp_path / "standby.log", **settings, identity="standby")
        try:
            standby.wait_until_standing_by()
            make_ready(kubectl)
            start_run(kubectl, "report", "late")
            run_pod(kubectl, "late")
            wait_until_recorded(kubectl, "report", "late", "Running")
            leader.kill()
            end_pod(kubectl, "late")
            wait_until_recorded(kubectl, "report", "late", "Completed", "Failed")
        finally:
            standby.stop()

    async def run() -> None:
        proxy = SilentJobsWatch(login_by(cluster.kubeconfig)(), random.Random(1))
        detour = detour_of(cluster.kubeconfig, await proxy.start(), tmp_path)
        try:
            await asyncio.to_thread(act, detour)
        finally:
            await proxy.stop()

    asyncio.run(run())

    counts = kubectl.get("dls", "report")["status"]["counts"]
    assert counts == {"completed": 1, "failed": 0, "missed": 0}


def test_standby_that_is_stopped_ends_at_once(
    kubectl: Kubectl, start_operator: StartOperator
) -> None:
    """At the latest after five seconds, which kopf gives its API discovery to end."""
    _, standby = start_two(start_operator, kubectl)

    standby.process.send_signal(signal.SIGTERM)

    assert standby.process.wait(timeout=15) == 0
