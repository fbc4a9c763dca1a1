"""A cluster of one schedule, whose operator's actions are carried out at once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from download_operator.cache.cache import Picture
from download_operator.cache.objects import cron_job_of, job_of, pod_of, schedule_of
from download_operator.manifests.cron_job import Desired, desire
from download_operator.planning.actions import (
    ReadJobs,
    ReadPods,
    StartRun,
    StopRun,
    Wait,
    WriteStatus,
)
from download_operator.planning.plan import plan
from download_schedule.names import SPEC_HASH_ANNOTATION
from tests.unit.operator.objects import (
    SETTINGS,
    job_manifest,
    pod_manifest,
    schedule_manifest,
)

KEY = ("team", "report")
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
DOCUMENT = json.dumps({"bytes": 3, "sha256": "a" * 64, "httpStatus": 200})


class World:
    """A cluster of one schedule whose operator we are."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.version = 100
        self.desired: Desired | ValueError | None = None
        self.written: Callable[[], None] = lambda: None
        self.webhook: Callable[[dict[str, Any]], None] = lambda _: None
        self.manifest = schedule_manifest(self.next_version(), **spec)
        self.forget()

    def forget(self) -> None:
        """Start the operator anew."""
        self.picture = Picture(lambda _: None, lambda: self.now)
        self.picture.put_schedule(schedule_of(self.manifest))

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def decide(self) -> Any:
        snapshot = self.picture.snapshot(KEY)
        assert snapshot
        if self.desired is None:
            try:
                self.desired = desire(snapshot.schedule, SETTINGS)
            except ValueError as error:
                self.desired = error
        return plan(snapshot, self.desired, self.now)

    def settle(self) -> list[Any]:
        """Carry everything out; return the actions."""
        done = []
        while not isinstance(action := self.decide(), Wait):
            done.append(action)
            assert len(done) < 10
            if isinstance(action, WriteStatus):
                self.write_status(action.status)
            elif isinstance(action, StartRun):
                self.start(action.manifest)
            elif isinstance(action, StopRun):
                self.picture.remove_job(action.job)
            elif isinstance(action, ReadPods):
                for job in action.jobs:
                    self.picture.read_pods(job, map(pod_of, self.pods_in_cluster(job.uid)))
            elif isinstance(action, ReadJobs):
                jobs = map(job_of, self.jobs_in_cluster())
                self.picture.read_jobs(KEY, jobs, self.now)
            else:
                self.apply_cron_job(action.desired.manifest)
        return done

    def write_status(self, status: dict[str, Any]) -> None:
        """Answer as the API server does: a conflict where somebody else was faster."""
        snapshot = self.picture.snapshot(KEY)
        stored = int(self.manifest["metadata"]["resourceVersion"])
        if snapshot and snapshot.schedule.resource_version == stored:
            self.store(status)
        self.picture.wrote_schedule(schedule_of(self.manifest))

    def store(self, status: dict[str, Any]) -> None:
        """Keep what the operator wrote."""
        metadata = {**self.manifest["metadata"], "resourceVersion": str(self.next_version())}
        self.manifest = {**self.manifest, "metadata": metadata, "status": status}
        self.written()

    def amend_status(self, **status: Any) -> None:
        """Have somebody edit the status by hand."""
        self.store({**self.status, **status})
        self.picture.put_schedule(schedule_of(self.manifest))

    def edit(self, **spec: Any) -> None:
        """Have somebody edit the schedule."""
        metadata = self.manifest["metadata"]
        metadata = {
            **metadata,
            "resourceVersion": str(self.next_version()),
            "generation": metadata["generation"] + 1,
        }
        edited = {**self.manifest["spec"], **spec}
        self.manifest = {**self.manifest, "metadata": metadata, "spec": edited}
        self.desired = None
        self.picture.put_schedule(schedule_of(self.manifest))

    def pods_in_cluster(self, job_uid: str) -> list[dict[str, Any]]:
        """What the API server would list; tests that have more say so."""
        return []

    def jobs_in_cluster(self) -> list[dict[str, Any]]:
        """What the API server would list; tests that have more than the watch told say so."""
        return []

    def apply_cron_job(self, manifest: dict[str, Any], generation: int = 1) -> None:
        metadata = {
            **manifest["metadata"],
            "uid": "cron-job-uid",
            "resourceVersion": str(self.next_version()),
            "generation": generation,
        }
        kept = {**manifest, "metadata": metadata}
        self.webhook(kept)
        spec_hash = manifest["metadata"]["annotations"][SPEC_HASH_ANNOTATION]
        self.picture.wrote_cron_job(KEY, spec_hash, cron_job_of(kept))

    def start(self, manifest: dict[str, Any]) -> None:
        """Do what the API server does with a Job."""
        metadata = {
            **manifest["metadata"],
            "uid": f"uid-of-{manifest['metadata']['name']}",
            "resourceVersion": str(self.next_version()),
            "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.picture.put_job(job_of({**manifest, "metadata": metadata}))

    def ask_for_a_run(self, token: str) -> None:
        """Have somebody write the annotation."""
        metadata = {
            **self.manifest["metadata"],
            "resourceVersion": str(self.next_version()),
            "annotations": {"downloads.dev/run-requested": token},
        }
        self.manifest = {**self.manifest, "metadata": metadata}
        self.picture.put_schedule(schedule_of(self.manifest))

    def job(self, **job: Any) -> None:
        self.picture.put_job(job_of(job_manifest(version=self.next_version(), **job)))

    def delete_job(self, **job: Any) -> None:
        self.picture.remove_job(job_of(job_manifest(version=self.next_version(), **job)))

    def pod(self, **pod: Any) -> None:
        self.picture.put_pod(pod_of(pod_manifest(version=self.next_version(), **pod)))

    @property
    def wanted(self) -> dict[str, Any]:
        """The CronJob that the schedule asks for."""
        assert isinstance(self.desired, Desired)
        return self.desired.manifest

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.manifest["status"]
        return status

    @property
    def run(self) -> dict[str, Any]:
        run: dict[str, Any] = self.status["history"][0]
        return run

    @property
    def counts(self) -> dict[str, int]:
        """Totals; the status has none before there is something to count."""
        return {"completed": 0, "failed": 0, "missed": 0, **self.status.get("counts", {})}

    def ready(self) -> dict[str, Any]:
        ready: dict[str, Any] = self.status["conditions"][0]
        return ready
