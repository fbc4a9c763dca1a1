"""Whatever the order of events, restarts and writes: every run is recorded once, as it ended."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from download_operator.actions import WriteStatus
from download_operator.recording import PENDING_PATIENCE, PENDING_SPREAD
from download_operator.views import job_of, pod_of
from download_schedule.history import counted
from tests.unit.operator.objects import job_manifest, pod_manifest
from tests.unit.operator.world import KEY, World

MAX_JOBS = 6
UNTIL_WRITTEN = PENDING_PATIENCE + PENDING_SPREAD + timedelta(seconds=1)


class Cluster(RuleBasedStateMachine):
    """The truth, two watches that deliver it late, and the operator."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: list[tuple[int, Callable[[], None]]] = []
        """Events of each Job and its Pods that may come again."""
        self.jobs: dict[int, dict[str, Any]] = {}
        self.pods: dict[int, dict[int, dict[str, Any]]] = {}
        self.ends: dict[int, str] = {}
        self.job_events: list[Callable[[], None]] = []
        self.pod_events: list[Callable[[], None]] = []
        self.writes = 0
        self.disturbances = 0
        """Each may cost one write that comes to nothing, or is made again."""

    @initialize(limit=st.sampled_from([1, 2, 100]))
    def created(self, limit: int) -> None:
        self.limit = limit
        self.world = World(historyLimit=limit)
        self.world.pods_in_cluster = self.pods_in_cluster  # type: ignore[method-assign]
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
        self.pod_becomes(number, self.under_way(number), exit_code=code, message=document)
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

    @precondition(lambda self: self.repeatable())
    @rule(data=st.data())
    def an_old_event_comes_again(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.repeatable()))()

    @rule()
    def reconcile(self) -> None:
        self.writes += sum(isinstance(done, WriteStatus) for done in self.world.settle())

    @rule(seconds=st.sampled_from([1, 6, 41]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule()
    def the_clock_is_set_back(self) -> None:
        self.disturbances += 1
        self.world.now -= timedelta(hours=1)

    @rule()
    def the_operator_restarts(self) -> None:
        """Nothing is delivered twice after it: it lists what there is."""
        self.everything_arrives()
        self.lists_anew()

    @precondition(lambda self: self.all_deleted_are_counted())
    @rule()
    def the_operator_dies_between_a_write_and_its_answer(self) -> None:
        """And with it goes every event that it has not seen."""
        self.disturbances += 1
        action = self.world.decide()
        if isinstance(action, WriteStatus):
            self.world.store(action.status)
            self.writes += 1
        self.job_events.clear()
        self.pod_events.clear()
        self.lists_anew()

    @rule()
    def somebody_edits_the_schedule(self) -> None:
        """Without a change to it: the version that we know is not the one that is stored."""
        self.disturbances += 1
        metadata = {**self.world.manifest["metadata"]}
        metadata["resourceVersion"] = str(self.world.next_version())
        self.world.manifest = {**self.world.manifest, "metadata": metadata}

    def all_deleted_are_counted(self) -> bool:
        """What a deletion carries is told once; who was not there has only the status to go by."""
        done = counted(self.world.manifest.get("status", {}))
        return all(manifest or f"job-{n}" in done for n, manifest in self.jobs.items())

    def lists_anew(self) -> None:
        cron_job = self.world.picture.snapshot(KEY)
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
        runs = {run["id"]: run for run in self.world.status.get("history", ())}
        assert list(runs) == [f"job-{number}" for number in sorted(self.kept(), reverse=True)]
        for number in self.kept() & self.ends.keys():
            run, end = runs[f"job-{number}"], self.ends[number]
            assert run["state"] == ("Completed" if end == "Complete" else "Failed")
            assert run.get("bytes") == (number if end == "Complete" else None)
            assert end == "Complete" or run["reason"] == "Code10"
        completed = sum(end == "Complete" for end in self.ends.values())
        failed = len(self.ends) - completed
        assert self.world.counts == {"completed": completed, "failed": failed, "missed": 0}
        if self.limit > MAX_JOBS:  # nothing was pushed out
            failures = self.world.status.get("consecutiveFailures", 0)
            assert failures == self.failures_since_success()
        assert self.world.status.get("active", 0) == len(self.jobs) - len(self.ends)
        assert self.writes <= 3 * len(self.jobs) + self.disturbances

    def failures_since_success(self) -> int:
        """By the time of the end, which is that of the start, in whatever order it was told."""
        latest_first = [self.ends[number] for number in sorted(self.ends, reverse=True)]
        return [*latest_first, "Complete"].index("Complete")

    def kept(self) -> set[int]:
        """What the history holds: all that is going on, and the newest of the rest."""
        over = sorted(self.ends, reverse=True)
        return {*self.going(), *over[: self.limit]}

    def repeatable(self) -> list[Callable[[], None]]:
        """The news of an end is the last that a watch tells of a Job."""
        return [event for number, event in self.delivered if self.jobs[number]]

    def everything_arrives(self) -> None:
        """What a deletion carries is told once only, so that a restart before it would lose it."""
        for events in (self.job_events, self.pod_events):
            while events:
                events.pop(0)()
        self.world.now += UNTIL_WRITTEN
        self.reconcile()

    def pods_in_cluster(self, job_uid: str) -> list[dict[str, Any]]:
        number = int(job_uid.removeprefix("job-"))
        return list(self.pods[number].values()) if self.jobs[number] else []

    def going(self) -> list[int]:
        return [number for number in self.jobs if number not in self.ends]

    def under_way(self, number: int) -> int:
        """The attempt that may end: one that has ended ends no other way."""
        last = len(self.pods[number])
        if not last:
            return 1
        (container,) = self.pods[number][last]["status"]["containerStatuses"]
        return last + 1 if "terminated" in container["state"] else last

    def job_becomes(self, number: int, ended: str | None) -> None:
        manifest = job_manifest(number, self.world.next_version(), ended)
        if ended == "Failed":
            manifest["status"]["failed"] = len(self.pods[number])
        self.jobs[number] = manifest
        view = job_of(manifest)
        self.job_events += [self.event(number, lambda: self.world.picture.put_job(view))] * 2

    def pod_becomes(self, job: int, number: int, **pod: Any) -> None:
        manifest = pod_manifest(job, number, self.world.next_version(), **pod)
        self.pods[job][number] = manifest
        view = pod_of(manifest)
        self.pod_events += [self.event(job, lambda: self.world.picture.put_pod(view))] * 2

    def event(self, job: int, take_in: Callable[[], None]) -> Callable[[], None]:
        def arrives() -> None:
            take_in()
            self.delivered.append((job, take_in))

        return arrives


TestInterleavings = pytest.mark.timeout(1800)(Cluster.TestCase)
TestInterleavings.settings = settings(
    max_examples=10_000,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
