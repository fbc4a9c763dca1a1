"""Every run is recorded once, as it ended, in whatever order events, restarts and writes come.

So is every tick: the ledger has the letter of its run, even if the history has forgotten it.
"""

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from download_kube.reflector import missing_objects
from download_operator.cache.cache import ClusterCache
from download_operator.cache.objects import parse_job, parse_pod, parse_schedule
from download_operator.planning.actions import WriteStatus
from download_operator.planning.recordable_runs import PENDING_PATIENCE, PENDING_SPREAD
from download_schedule.cron import parse
from download_schedule.history import counted
from download_schedule.ledger import Ledger
from tests.support.cluster_objects import job_manifest, pod_manifest
from tests.support.fake_cluster import KEY, START, FakeCluster

MAX_JOBS = 6
ALL_EVENTS = 100
EXPRESSION = "1-6 1 * * *"
"""A tick for each Job, in the minutes after START."""
TIME_PASSED = {"nextRunTime", "settledUntil", "ticks"}
"""What changes because ticks pass."""
WATCHES = ("schedules", "jobs", "pods")
UNTIL_RECORDED = PENDING_PATIENCE + PENDING_SPREAD + timedelta(seconds=1)


def tick(number: int) -> datetime:
    """Return the tick of a Job."""
    return START + timedelta(minutes=number)


class Interleavings(RuleBasedStateMachine):
    """What is true in the cluster, watches that deliver it late, a leader, and a standby.

    Hypothesis calls the rules in any order. Each rule is one thing that can happen in a cluster.
    ``teardown`` delivers everything and compares the status with the truth.
    """

    def __init__(self) -> None:
        super().__init__()
        # The truth.
        self.jobs: dict[int, dict[str, Any]] = {}
        """Manifests of the Jobs by number; an empty one is a deleted Job."""
        self.pods: dict[int, dict[int, dict[str, Any]]] = {}
        self.ends: dict[int, str] = {}
        # What the leader's watches have not delivered yet, and what they may deliver again.
        self.job_events: list[Callable[[], None]] = []
        self.pod_events: list[Callable[[], None]] = []
        self.delivered: list[tuple[int, Callable[[], None]]] = []
        # What the standby's watches have not delivered yet.
        self.standby_events: dict[str, list[Callable[[ClusterCache], None]]] = {
            watch: [] for watch in WATCHES
        }
        self.counted: set[str] = set()
        """Runs that any status has counted."""
        self.counted_for_standby: set[str] = set()
        """Those of which the standby knows it, or that had ended when it started."""
        self.writes = 0
        self.disturbances = 0
        """Each may cost one write that has no effect, or is made again."""

    @initialize(limit=st.sampled_from([1, 2, 100]))
    def create_schedule(self, limit: int) -> None:
        self.limit = limit
        self.cluster = FakeCluster(
            historyLimit=limit, schedule=EXPRESSION, startingDeadlineSeconds=604_800
        )
        self.cluster.list_pods = self.list_pods
        self.cluster.on_status_write = self.note_status_write
        self.last_status: dict[str, Any] = {}
        self.reconcile()
        self.start_standby()
        self.writes = 0

    @precondition(lambda self: len(self.jobs) < MAX_JOBS)
    @rule()
    def start_job(self) -> None:
        number = len(self.jobs) + 1
        self.cluster.now = max(self.cluster.now, tick(number))
        self.pods[number] = {}
        self.change_job(number, None)

    @precondition(lambda self: self.active_jobs())
    @rule(data=st.data())
    def start_attempt(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.active_jobs()))
        if len(self.pods[number]) < 3:
            self.change_pod(number, len(self.pods[number]) + 1)

    @precondition(lambda self: self.active_jobs())
    @rule(data=st.data(), code=st.sampled_from([0, 10, 20]))
    def end_attempt(self, data: st.DataObject, code: int) -> None:
        number = data.draw(st.sampled_from(self.active_jobs()))
        message = json.dumps({"bytes": number} if code == 0 else {"reason": f"Code{code}"})
        self.change_pod(number, self.attempt_under_way(number), exit_code=code, message=message)
        if code != 20:
            self.ends[number] = "Complete" if code == 0 else "Failed"
            self.change_job(number, self.ends[number])

    @precondition(lambda self: self.ends)
    @rule(data=st.data())
    def clean_up_job(self, data: st.DataObject) -> None:
        """Kubernetes deletes only Jobs that have ended, long after all events of their Pods."""
        while self.pod_events:
            self.pod_events.pop(0)()
        self.deliver_to_standby("pods", ALL_EVENTS)
        number = data.draw(st.sampled_from(sorted(self.ends)))
        if self.jobs.get(number):
            self.jobs[number]["metadata"]["resourceVersion"] = str(self.cluster.next_version())
            deleted = parse_job(copy.deepcopy(self.jobs[number]))
            self.job_events.append(lambda: self.cluster.cache.remove_job(deleted))
            self.standby_events["jobs"].append(lambda cache: cache.remove_job(deleted))
            self.jobs[number] = {}

    @rule(data=st.data())
    def deliver_events(self, data: st.DataObject) -> None:
        for events in (self.job_events, self.pod_events):
            for _ in range(data.draw(st.integers(0, len(events)))):
                events.pop(0)()

    @precondition(lambda self: self.repeatable_events())
    @rule(data=st.data())
    def repeat_event(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.repeatable_events()))()

    @rule()
    def reconcile(self) -> None:
        self.cluster.settle()

    @rule(seconds=st.sampled_from([1, 6, 41]))
    def let_time_pass(self, seconds: int) -> None:
        self.cluster.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.cluster.now > START - timedelta(hours=20))
    @rule()
    def set_clock_back(self) -> None:
        self.disturbances += 1
        self.cluster.now -= timedelta(hours=1)

    @rule()
    def restart_leader(self) -> None:
        """A new leader lists what exists; nothing is delivered twice after that."""
        self.deliver_everything()
        self.list_again()

    @precondition(lambda self: self.all_deleted_jobs_are_counted())
    @rule()
    def kill_leader_between_a_write_and_its_response(self) -> None:
        """Every event that it has not seen is lost with it."""
        self.disturbances += 1
        action = self.cluster.plan()
        if isinstance(action, WriteStatus):
            self.cluster.write_status(action.status)
        self.job_events.clear()
        self.pod_events.clear()
        self.list_again()

    @rule(data=st.data(), watch=st.sampled_from(WATCHES))
    def deliver_events_to_standby(self, data: st.DataObject, watch: str) -> None:
        self.deliver_to_standby(watch, data.draw(st.integers(0, ALL_EVENTS)))

    @precondition(
        lambda self: (
            self.all_deleted_jobs_are_counted()
            and self.counted_but_forgotten() <= self.counted_for_standby
        )
    )
    @rule()
    def let_standby_take_over(self) -> None:
        """It lists the Jobs again. Its other watches go on, and deliver what they have not yet.

        A Job is kept for so long that no watch is as late as the time from a run's end to the
        clean-up of its Job.
        """
        self.disturbances += 1
        self.cluster.cache = cache = self.standby
        existing = [parse_job(manifest) for manifest in self.jobs.values() if manifest]
        for job in existing:
            cache.put_job(job)
        uids = {job.uid for job in existing}
        for job in missing_objects(cache.jobs(), uids, self.cluster.version):
            cache.remove_job(job)
        self.job_events.clear()
        late = [*self.standby_events["schedules"], *self.standby_events["pods"]]
        self.pod_events = [partial(event, cache) for event in late]
        self.start_standby()

    @rule()
    def change_schedule_without_an_event(self) -> None:
        """The operator's version of the schedule is not the stored one: its write conflicts."""
        self.disturbances += 1
        self.cluster.touch()

    def all_deleted_jobs_are_counted(self) -> bool:
        """A deletion is delivered once. Who misses it has only the status to go by."""
        return all(manifest or f"job-{n}" in self.counted for n, manifest in self.jobs.items())

    def counted_but_forgotten(self) -> set[str]:
        return self.counted - counted(self.cluster.manifest.get("status", {}))

    def note_status_write(self) -> None:
        status = {
            name: value for name, value in self.cluster.status.items() if name not in TIME_PASSED
        }
        self.writes += status != self.last_status
        self.last_status = status
        newly_counted = counted(self.cluster.status)
        self.counted |= newly_counted
        schedule = parse_schedule(self.cluster.manifest)

        def event(cache: ClusterCache) -> None:
            cache.put_schedule(schedule)
            self.counted_for_standby |= newly_counted

        self.standby_events["schedules"].append(event)

    def deliver_to_standby(self, watch: str, count: int) -> None:
        for event in self.standby_events[watch][:count]:
            event(self.standby)
        del self.standby_events[watch][:count]

    def start_standby(self) -> None:
        self.standby = self.list_everything()
        self.counted_for_standby = set(self.counted)
        self.standby_events = {watch: [] for watch in WATCHES}

    def list_again(self) -> None:
        self.cluster.cache = self.list_everything()

    def list_everything(self) -> ClusterCache:
        """Return the cache of an operator that has just listed all there is."""
        snapshot = self.cluster.cache.snapshot(KEY)
        assert snapshot
        assert snapshot.cron_job
        cache = ClusterCache(lambda _: None, lambda: self.cluster.now)
        cache.put_schedule(parse_schedule(self.cluster.manifest))
        cache.put_cron_job(snapshot.cron_job)
        for number, manifest in self.jobs.items():
            if manifest:
                cache.put_job(parse_job(manifest))
                for pod in self.pods[number].values():
                    cache.put_pod(parse_pod(pod))
        return cache

    def teardown(self) -> None:
        self.deliver_everything()
        assert self.cluster.settle() == []
        status = self.cluster.status
        runs = {run["id"]: run for run in status.get("history", ())}
        expected = self.expected_history()
        assert list(runs) == [f"job-{number}" for number in sorted(expected, reverse=True)]
        for number in expected & self.ends.keys():
            run, end = runs[f"job-{number}"], self.ends[number]
            assert run["state"] == ("Completed" if end == "Complete" else "Failed")
            assert run.get("bytes") == (number if end == "Complete" else None)
            assert end == "Complete" or run["reason"] == "Code10"
        completed = sum(end == "Complete" for end in self.ends.values())
        failed = len(self.ends) - completed
        assert self.cluster.counts == {"completed": completed, "failed": failed, "missed": 0}
        if self.limit > MAX_JOBS:  # nothing was pushed out
            assert status.get("consecutiveFailures", 0) == self.failures_since_success()
        assert status.get("active", 0) == len(self.jobs) - len(self.ends)
        assert self.ledger() == self.expected_ledger()
        assert self.writes <= 3 * len(self.jobs) + self.disturbances

    def ledger(self) -> list[tuple[datetime, str]]:
        ledger = Ledger.read(self.cluster.status, parse(EXPRESSION))
        return [(tick, outcome.name) for tick, outcome in ledger.between()]

    def expected_ledger(self) -> list[tuple[datetime, str]]:
        """Every Job has a tick of its own, and no tick before the last Job's is without one."""
        names = {None: "RUNNING", "Complete": "COMPLETED", "Failed": "FAILED"}
        newest_first = sorted(self.jobs, reverse=True)
        return [(tick(number), names[self.ends.get(number)]) for number in newest_first]

    def failures_since_success(self) -> int:
        """Judged by completion times, which have the order of the start times."""
        newest_first = [self.ends[number] for number in sorted(self.ends, reverse=True)]
        return [*newest_first, "Complete"].index("Complete")

    def expected_history(self) -> set[int]:
        """All active runs, and the newest of those that have ended."""
        ended = sorted(self.ends, reverse=True)
        return {*self.active_jobs(), *ended[: self.limit]}

    def repeatable_events(self) -> list[Callable[[], None]]:
        """A watch delivers nothing about a Job after its deletion."""
        return [event for number, event in self.delivered if self.jobs[number]]

    def deliver_everything(self) -> None:
        """A deletion is delivered once, so that a restart before it would lose it."""
        for events in (self.job_events, self.pod_events):
            while events:
                events.pop(0)()
        self.cluster.now += UNTIL_RECORDED
        self.reconcile()

    def list_pods(self, job_uid: str) -> list[dict[str, Any]]:
        number = int(job_uid.removeprefix("job-"))
        return list(self.pods[number].values()) if self.jobs[number] else []

    def active_jobs(self) -> list[int]:
        return [number for number in self.jobs if number not in self.ends]

    def attempt_under_way(self, number: int) -> int:
        """Return the attempt that may end: an attempt that has ended does not end again."""
        last = len(self.pods[number])
        if not last:
            return 1
        (container,) = self.pods[number][last]["status"]["containerStatuses"]
        return last + 1 if "terminated" in container["state"] else last

    def change_job(self, number: int, ended: str | None) -> None:
        manifest = job_manifest(number, self.cluster.next_version(), ended, tick(number))
        if ended == "Failed":
            manifest["status"]["failed"] = len(self.pods[number])
        self.jobs[number] = manifest
        job = parse_job(manifest)
        self.standby_events["jobs"].append(lambda cache: cache.put_job(job))
        event = self.event(number, lambda: self.cluster.cache.put_job(job))
        self.job_events += [event] * 2

    def change_pod(self, job: int, number: int, **pod: Any) -> None:
        manifest = pod_manifest(job, number, self.cluster.next_version(), **pod)
        self.pods[job][number] = manifest
        parsed = parse_pod(manifest)
        self.standby_events["pods"].append(lambda cache: cache.put_pod(parsed))
        event = self.event(job, lambda: self.cluster.cache.put_pod(parsed))
        self.pod_events += [event] * 2

    def event(self, job: int, put: Callable[[], None]) -> Callable[[], None]:
        def deliver() -> None:
            put()
            self.delivered.append((job, put))

        return deliver


TestInterleavings = pytest.mark.timeout(1800)(Interleavings.TestCase)
TestInterleavings.settings = settings(
    # By default 1,000 sequences; 10,000 with --hypothesis-profile=thorough.
    max_examples=10 * settings().max_examples,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
