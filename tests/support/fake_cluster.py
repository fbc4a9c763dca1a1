"""A cluster with one schedule, in memory: what the operator plans is carried out at once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from download_operator.cache.cache import ClusterCache
from download_operator.cache.objects import parse_cron_job, parse_job, parse_pod, parse_schedule
from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import (
    DesiredState,
    ScheduleRefusedError,
    build_desired_state,
)
from download_operator.planning.actions import (
    ReadJobs,
    ReadPods,
    StartRun,
    StopRun,
    Wait,
    WriteStatus,
)
from download_operator.planning.plan import plan
from download_operator.pod_egress import PodEgress
from download_schedule.names import SPEC_HASH_ANNOTATION
from tests.support.cluster_objects import (
    SETTINGS,
    job_manifest,
    pod_manifest,
    schedule_manifest,
)

KEY = ("team", "report")
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
RESULT = json.dumps({"bytes": 3, "sha256": "a" * 64, "httpStatus": 200})


class FakeCluster:
    """One schedule, the operator's cache, and a clock that only tests move.

    ``job_event`` and its siblings deliver what a watch would. ``settle`` plans and carries out
    until the plan is to wait.
    """

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.settings = SETTINGS
        self.version = 100
        self.desired: DesiredState | ScheduleRefusedError | None = None
        self.on_status_write: Callable[[], None] = lambda: None
        self.webhook: Callable[[dict[str, Any]], None] = lambda _: None
        """Changes every CronJob that the operator writes."""
        self.list_pods: Callable[[str], list[dict[str, Any]]] = lambda _: []
        """What the API server lists for the UID of a Job."""
        self.list_jobs: Callable[[], list[dict[str, Any]]] = list
        """What the API server lists, if it knows more than the watch has delivered."""
        self.manifest = schedule_manifest(self.next_version(), **spec)
        self.restart_operator()

    def restart_operator(self) -> None:
        """Start with an empty cache, and list the schedule."""
        self.cache = ClusterCache(lambda _: None, lambda: self.now)
        self.cache.put_schedule(parse_schedule(self.manifest))

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def snapshot(self) -> Snapshot:
        snapshot = self.cache.snapshot(KEY)
        assert snapshot
        return snapshot

    def plan(self) -> Any:
        snapshot = self.snapshot()
        if self.desired is None:
            try:
                self.desired = build_desired_state(snapshot.schedule, self.settings, PodEgress())
            except ScheduleRefusedError as error:
                self.desired = error
        return plan(snapshot, self.desired, self.now)

    def settle(self) -> list[Any]:
        """Carry out every action until the plan is to wait; return the actions."""
        actions = []
        while not isinstance(action := self.plan(), Wait):
            actions.append(action)
            assert len(actions) < 10
            self.carry_out(action)
        return actions

    def carry_out(self, action: Any) -> None:
        if isinstance(action, WriteStatus):
            self.write_status(action.status)
        elif isinstance(action, StartRun):
            self.create_job(action.manifest)
        elif isinstance(action, StopRun):
            self.cache.remove_job(action.job)
        elif isinstance(action, ReadPods):
            for job in action.jobs:
                self.cache.note_pods(job, map(parse_pod, self.list_pods(job.uid)))
        elif isinstance(action, ReadJobs):
            self.cache.note_jobs(KEY, map(parse_job, self.list_jobs()), self.now)
        else:
            self.store_cron_job(action.desired.manifest)

    def write_status(self, status: dict[str, Any]) -> None:
        """Respond as the API server does: with a conflict if the operator's version is not ours."""
        snapshot = self.cache.snapshot(KEY)
        stored = int(self.manifest["metadata"]["resourceVersion"])
        if snapshot and snapshot.schedule.resource_version == stored:
            self.store_status(status)
        self.cache.note_schedule(parse_schedule(self.manifest))

    def store_status(self, status: dict[str, Any]) -> None:
        self._store(status=status)
        self.on_status_write()

    def store_cron_job(self, manifest: dict[str, Any], generation: int = 1) -> None:
        metadata = {
            **manifest["metadata"],
            "uid": "cron-job-uid",
            "resourceVersion": str(self.next_version()),
            "generation": generation,
        }
        stored = {**manifest, "metadata": metadata}
        self.webhook(stored)
        spec_hash = manifest["metadata"]["annotations"][SPEC_HASH_ANNOTATION]
        self.cache.note_cron_job(KEY, spec_hash, parse_cron_job(stored))

    def create_job(self, manifest: dict[str, Any]) -> None:
        metadata = {
            **manifest["metadata"],
            "uid": f"uid-of-{manifest['metadata']['name']}",
            "resourceVersion": str(self.next_version()),
            "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.cache.put_job(parse_job({**manifest, "metadata": metadata}))

    def edit_spec(self, **spec: Any) -> None:
        """Have a user edit the schedule."""
        generation = self.manifest["metadata"]["generation"] + 1
        self._store({"generation": generation}, spec={**self.manifest["spec"], **spec})
        self.desired = None
        self.cache.put_schedule(parse_schedule(self.manifest))

    def edit_status(self, **status: Any) -> None:
        """Have somebody else edit the status."""
        self.store_status({**self.status, **status})
        self.cache.put_schedule(parse_schedule(self.manifest))

    def request_run(self, token: str, tick: str = "") -> None:
        """Have a user request a run, of a tick if they name one."""
        annotations = {"downloads.dev/run-requested": token, "downloads.dev/run-tick": tick}
        self._store({"annotations": annotations})
        self.cache.put_schedule(parse_schedule(self.manifest))

    def touch(self) -> None:
        """Have somebody change the schedule in a way that the operator does not look at."""
        self._store()

    def job_event(self, **job: Any) -> None:
        self.cache.put_job(parse_job(job_manifest(version=self.next_version(), **job)))

    def job_deleted_event(self, **job: Any) -> None:
        self.cache.remove_job(parse_job(job_manifest(version=self.next_version(), **job)))

    def pod_event(self, **pod: Any) -> None:
        self.cache.put_pod(parse_pod(pod_manifest(version=self.next_version(), **pod)))

    @property
    def desired_manifest(self) -> dict[str, Any]:
        """The CronJob that the schedule asks for."""
        assert isinstance(self.desired, DesiredState)
        return self.desired.manifest

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.manifest["status"]
        return status

    @property
    def newest_run(self) -> dict[str, Any]:
        run: dict[str, Any] = self.status["history"][0]
        return run

    @property
    def counts(self) -> dict[str, int]:
        """Totals; the status has none before there is something to count."""
        return {"completed": 0, "failed": 0, "missed": 0, **self.status.get("counts", {})}

    @property
    def ready(self) -> dict[str, Any]:
        condition: dict[str, Any] = self.status["conditions"][0]
        return condition

    def _store(self, metadata: dict[str, Any] | None = None, **parts: Any) -> None:
        version = str(self.next_version())
        metadata = {**self.manifest["metadata"], **(metadata or {}), "resourceVersion": version}
        self.manifest = {**self.manifest, "metadata": metadata, **parts}
