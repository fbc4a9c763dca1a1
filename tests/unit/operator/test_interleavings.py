"""Whatever the order of events, restarts and writes: every run is recorded once, as it ended."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from download_operator.plan import WriteStatus
from download_operator.views import job_of, pod_of
from tests.unit.operator.objects import job_manifest, pod_manifest
from tests.unit.operator.world import World

MAX_JOBS = 6


class Cluster(RuleBasedStateMachine):
    """The truth, two watches that deliver it late, and the operator."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(historyLimit=100)
        self.world.pods_in_cluster = self.pods_in_cluster  # type: ignore[method-assign]
        self.jobs: dict[int, dict[str, Any]] = {}
        self.pods: dict[int, dict[int, dict[str, Any]]] = {}
        self.ends: dict[int, str] = {}
        self.job_events: list[Callable[[], None]] = []
        self.pod_events: list[Callable[[], None]] = []
        self.writes = 0

    @initialize()
    def created(self) -> None:
        self.reconcile()
        self.writes = 0

    @precondition(lambda self: len(self.jobs) < MAX_JOBS)
    @rule()
    def a_job_starts(self) -> None:
        number = len(self.jobs) + 1
        self.pods[number] = {}
        self.job_becomes(number, None)

    @precondition(lambda self: self.going())
    @rule(data=st.data())
    def an_attempt_starts(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.going()))
        if len(self.pods[number]) < 3:
            self.pod_becomes(number, len(self.pods[number]) + 1)

    @precondition(lambda self: self.going())
    @rule(data=st.data(), code=st.sampled_from([0, 10, 20]))
    def an_attempt_ends(self, data: st.DataObject, code: int) -> None:
        number = data.draw(st.sampled_from(self.going()))
        document = json.dumps({"bytes": number} if code == 0 else {"reason": f"Code{code}"})
        self.pod_becomes(number, max(len(self.pods[number]), 1), exit_code=code, message=document)
        if code != 20:
            self.ends[number] = "Complete" if code == 0 else "Failed"
            self.job_becomes(number, self.ends[number])

    @precondition(lambda self: self.ends)
    @rule(data=st.data())
    def a_job_is_deleted(self, data: st.DataObject) -> None:
        """By Kubernetes' clean-up: only what is over, and long after its Pods told all."""
        while self.pod_events:
            self.pod_events.pop(0)()
        number = data.draw(st.sampled_from(sorted(self.ends)))
        if self.jobs.get(number):
            self.jobs[number]["metadata"]["resourceVersion"] = str(self.world.next_version())
            gone = job_of(copy.deepcopy(self.jobs[number]))
            self.job_events.append(lambda: self.world.picture.remove_job(gone))
            self.jobs[number] = {}

    @rule(data=st.data())
    def events_arrive(self, data: st.DataObject) -> None:
        for events in (self.job_events, self.pod_events):
            for _ in range(data.draw(st.integers(0, len(events)))):
                events.pop(0)()

    @rule()
    def reconcile(self) -> None:
        self.writes += sum(isinstance(done, WriteStatus) for done in self.world.settle())

    @rule(seconds=st.sampled_from([1, 6]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule()
    def the_operator_restarts(self) -> None:
        """Nothing is delivered twice after it: it lists what there is."""
        self.everything_arrives()
        cron_job = self.world.picture.snapshot(("team", "report"))
        assert cron_job
        assert cron_job.cron_job
        self.world.forget()
        self.world.picture.put_cron_job(cron_job.cron_job)
        for manifest in self.jobs.values():
            if manifest:
                self.world.picture.put_job(job_of(manifest))
        for number, pods in self.pods.items():
            if self.jobs[number]:
                for manifest in pods.values():
                    self.world.picture.put_pod(pod_of(manifest))

    def teardown(self) -> None:
        self.everything_arrives()
        assert self.world.settle() == []
        runs = {run["id"]: run for run in self.world.status["history"]}
        assert set(runs) == {f"job-{number}" for number in self.jobs}
        for number, end in self.ends.items():
            run = runs[f"job-{number}"]
            assert run["state"] == ("Completed" if end == "Complete" else "Failed")
            assert run.get("bytes") == (number if end == "Complete" else None)
        completed = sum(end == "Complete" for end in self.ends.values())
        counts = self.world.status.get("counts", {})
        assert counts == {"completed": completed, "failed": len(self.ends) - completed, "missed": 0}
        assert self.world.status["active"] == len(self.jobs) - len(self.ends)
        assert self.writes <= 3 * len(self.jobs)

    def everything_arrives(self) -> None:
        """What a deletion carries is told once only, so that a restart before it would lose it."""
        for events in (self.job_events, self.pod_events):
            while events:
                events.pop(0)()
        self.world.now += timedelta(seconds=6)
        self.reconcile()

    def pods_in_cluster(self, job_uid: str) -> list[dict[str, Any]]:
        number = int(job_uid.removeprefix("job-"))
        return list(self.pods[number].values()) if self.jobs[number] else []

    def going(self) -> list[int]:
        return [number for number in self.jobs if number not in self.ends]

    def job_becomes(self, number: int, ended: str | None) -> None:
        manifest = job_manifest(number, self.world.next_version(), ended)
        self.jobs[number] = manifest
        view = job_of(manifest)
        self.job_events += [lambda: self.world.picture.put_job(view)] * 2

    def pod_becomes(self, job: int, number: int, **pod: Any) -> None:
        manifest = pod_manifest(job, number, self.world.next_version(), **pod)
        self.pods[job][number] = manifest
        view = pod_of(manifest)
        self.pod_events += [lambda: self.world.picture.put_pod(view)] * 2


TestInterleavings = Cluster.TestCase
TestInterleavings.settings = settings(max_examples=1000, stateful_step_count=40, deadline=None)
