"""Whatever the order of events, restarts and writes: every run is recorded once, as it ended."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from download_kube.reflector import missing_objects
from download_operator.cache.cache import Picture
from download_operator.cache.objects import job_of, pod_of, schedule_of
from download_operator.planning.actions import WriteStatus
from download_operator.planning.recordable_runs import PENDING_PATIENCE, PENDING_SPREAD
from download_schedule.history import counted
from tests.unit.operator.objects import job_manifest, pod_manifest
from tests.unit.operator.world import KEY, World

MAX_JOBS = 6
MAX_EVENTS = 100
WATCHES = ("schedules", "jobs", "pods")
UNTIL_WRITTEN = PENDING_PATIENCE + PENDING_SPREAD + timedelta(seconds=1)


class Cluster(RuleBasedStateMachine):
    """The truth, two watches that deliver it late, the operator, and another that stands by."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: list[tuple[int, Callable[[], None]]] = []
        """Events of each Job and its Pods that may come again."""
        self.jobs: dict[int, dict[str, Any]] = {}
        self.pods: dict[int, dict[int, dict[str, Any]]] = {}
        self.ends: dict[int, str] = {}
        self.job_events: list[Callable[[], None]] = []
        self.pod_events: list[Callable[[], None]] = []
        self.told: dict[str, list[Callable[[Picture], None]]] = {name: [] for name in WATCHES}
        """What the standby has yet to hear, by the watch that tells it."""
        self.counted: set[str] = set()
        """Runs that any status has counted."""
        self.heard: set[str] = set()
        """Those of which the standby has heard it, or that were over when it began."""
        self.writes = 0
        self.disturbances = 0
        """Each may cost one write that comes to nothing, or is made again."""

    @initialize(limit=st.sampled_from([1, 2, 100]))
    def created(self, limit: int) -> None:
        self.limit = limit
        self.world = World(historyLimit=limit)
        self.world.pods_in_cluster = self.pods_in_cluster  # type: ignore[method-assign]
        self.world.written = self.status_is_written
        self.reconcile()
        self.stands_by()
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
        self.standby_hears("pods", MAX_EVENTS)
        number = data.draw(st.sampled_from(sorted(self.ends)))
        if self.jobs.get(number):
            self.jobs[number]["metadata"]["resourceVersion"] = str(self.world.next_version())
            gone = job_of(copy.deepcopy(self.jobs[number]))
            self.job_events.append(lambda: self.world.picture.remove_job(gone))
            self.told["jobs"].append(lambda picture: picture.remove_job(gone))
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
            self.world.write_status(action.status)
            self.writes += 1
        self.job_events.clear()
        self.pod_events.clear()
        self.lists_anew()

    @rule(data=st.data(), watch=st.sampled_from(WATCHES))
    def the_standby_hears(self, data: st.DataObject, watch: str) -> None:
        self.standby_hears(watch, data.draw(st.integers(0, MAX_EVENTS)))

    @precondition(lambda self: self.all_deleted_are_counted() and self.forgotten() <= self.heard)
    @rule()
    def the_standby_takes_over(self) -> None:
        """It lists the Jobs; of all else its watches go on, and tell what they have yet to tell.

        A run's Job stays for so long that no watch is as late as from its end to its clean-up.
        """
        self.disturbances += 1
        self.world.picture = picture = self.standby
        existing = [job_of(manifest) for manifest in self.jobs.values() if manifest]
        for job in existing:
            picture.put_job(job)
        uids = {job.uid for job in existing}
        for job in missing_objects(picture.jobs(), uids, self.world.version):
            picture.remove_job(job)
        self.job_events.clear()
        late = [*self.told["schedules"], *self.told["pods"]]
        self.pod_events = [partial(take_in, picture) for take_in in late]
        self.stands_by()

    @rule()
    def somebody_edits_the_schedule(self) -> None:
        """Without a change to it: the version that we know is not the one that is stored."""
        self.disturbances += 1
        metadata = {**self.world.manifest["metadata"]}
        metadata["resourceVersion"] = str(self.world.next_version())
        self.world.manifest = {**self.world.manifest, "metadata": metadata}

    def all_deleted_are_counted(self) -> bool:
        """What a deletion carries is told once; who was not there has only the status to go by."""
        return all(manifest or f"job-{n}" in self.counted for n, manifest in self.jobs.items())

    def forgotten(self) -> set[str]:
        return self.counted - counted(self.world.manifest.get("status", {}))

    def status_is_written(self) -> None:
        done = counted(self.world.status)
        self.counted |= done
        view = schedule_of(self.world.manifest)

        def is_heard(picture: Picture) -> None:
            picture.put_schedule(view)
            self.heard |= done

        self.told["schedules"].append(is_heard)

    def standby_hears(self, watch: str, events: int) -> None:
        for take_in in self.told[watch][:events]:
            take_in(self.standby)
        del self.told[watch][:events]

    def stands_by(self) -> None:
        self.standby = self.listed()
        self.heard = set(self.counted)
        self.told = {name: [] for name in WATCHES}

    def lists_anew(self) -> None:
        self.world.picture = self.listed()

    def listed(self) -> Picture:
        """What an operator knows that has just listed all there is."""
        known = self.world.picture.snapshot(KEY)
        assert known
        assert known.cron_job
        picture = Picture(lambda _: None, lambda: self.world.now)
        picture.put_schedule(schedule_of(self.world.manifest))
        picture.put_cron_job(known.cron_job)
        for number, manifest in self.jobs.items():
            if manifest:
                picture.put_job(job_of(manifest))
                for pod in self.pods[number].values():
                    picture.put_pod(pod_of(pod))
        return picture

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
        self.told["jobs"].append(lambda picture: picture.put_job(view))
        self.job_events += [self.event(number, lambda: self.world.picture.put_job(view))] * 2

    def pod_becomes(self, job: int, number: int, **pod: Any) -> None:
        manifest = pod_manifest(job, number, self.world.next_version(), **pod)
        self.pods[job][number] = manifest
        view = pod_of(manifest)
        self.told["pods"].append(lambda picture: picture.put_pod(view))
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
