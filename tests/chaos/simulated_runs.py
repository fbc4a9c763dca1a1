"""Runs as Kubernetes' controllers would create and end them, with ends that we decide."""

import asyncio
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from download_kube.client import KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.paths import BATCH, CORE, collection, schedule_path
from download_schedule.names import SCHEDULED_TIME_ANNOTATION
from download_schedule.timestamps import format_time
from download_schedule.types import JSONObject
from tests.support.pod_status import pod_status

MERGE_PATCH: Final = "application/merge-patch+json"
COMPLETED, FAILED, DELETED = "Completed", "Failed", "JobDeleted"


@dataclass(frozen=True)
class RunEnd:
    """How one run really ended."""

    id: str
    job: str
    state: str
    reason: str | None
    bytes: int | None
    attempts: int | None
    """None if the Job was deleted: the status knows no more than what it had stored."""
    start: str | None
    """What the history is sorted by; None for the same reason."""
    tick: str


class PersistentClient:
    """A client that repeats every request until it gets a response."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> JSONObject:
        """Send a request that may be repeated. What exists or is gone already is a success."""
        while True:
            try:
                return await self._client.request(method, path, body, content_type=content_type)
            except ApiError as error:
                if error.already_exists:
                    return await self.request("GET", f"{path}/{body['metadata']['name']}")
                if error.is_not_found and method == "DELETE":
                    return {}
                if error.status < 500 and error.status != 429:
                    raise
            except UnreachableError:
                pass
            await asyncio.sleep(0.2)


class SimulatedRuns:
    """Creates runs of the schedules of one namespace, and remembers how they ended."""

    def __init__(self, client: PersistentClient, namespace: str, rng: random.Random) -> None:
        self.ends: dict[str, list[RunEnd]] = {}
        """By schedule."""
        self._client = client
        self._namespace = namespace
        self._rng = rng
        self._jobs = collection(BATCH, namespace, "jobs")
        self._pods = collection(CORE, namespace, "pods")

    async def run(self, schedule: str, number: int, tick: datetime) -> None:
        """Take one run of *schedule* from its tick to its end."""
        cron_jobs = collection(BATCH, self._namespace, "cronjobs")
        cron_job = await self._client.request("GET", f"{cron_jobs}/{schedule}")
        job = await self._client.request("POST", self._jobs, _job(cron_job, tick))
        started = _started()
        await self._patch_status(_path(self._jobs, job), started)
        codes = self._rng.choice([[0], [0], [0], [20, 0], [10], [20, 20, 20, 20]])
        for attempt, code in enumerate(codes, start=1):
            await self._run_attempt(job, attempt, code, number)
            await asyncio.sleep(self._rng.uniform(0, 0.1))
        if codes[-1] != 0 and self._rng.random() < 0.3 and await self._is_in_status(schedule, job):
            body = {"propagationPolicy": "Background"}
            await self._client.request("DELETE", _path(self._jobs, job), body)
            self._note_end(schedule, job, FAILED, DELETED, None, None, None)
            return
        is_done = codes[-1] == 0
        await self._patch_status(_path(self._jobs, job), _ended(is_done, len(codes)))
        reason = None if codes == [0] else f"Code{[code for code in codes if code][-1]}"
        state = COMPLETED if is_done else FAILED
        size = number if is_done else None
        self._note_end(schedule, job, state, reason, size, len(codes), started["startTime"])

    async def _run_attempt(self, job: JSONObject, attempt: int, code: int, number: int) -> None:
        pod = await self._client.request("POST", self._pods, _pod(job, attempt))
        path = _path(self._pods, pod)
        if self._rng.random() < 0.7:
            await self._patch_status(path, pod_status("Running", {"running": {}}))
        result = {"bytes": number} if code == 0 else {"reason": f"Code{code}", "message": "x"}
        ended = {"exitCode": code, "reason": "Error", "message": json.dumps(result)}
        phase = "Failed" if code else "Succeeded"
        await self._patch_status(path, pod_status(phase, {"terminated": ended}))

    async def _is_in_status(self, schedule: str, job: JSONObject) -> bool:
        """A Job that nobody observed leaves nothing to record."""
        resource = await self._client.request("GET", schedule_path(self._namespace, schedule))
        history = resource.get("status", {}).get("history", [])
        return any(run["id"] == job["metadata"]["uid"] for run in history)

    async def _patch_status(self, path: str, status: JSONObject) -> None:
        await self._client.request("PATCH", f"{path}/status", {"status": status}, MERGE_PATCH)

    def _note_end(
        self,
        schedule: str,
        job: JSONObject,
        state: str,
        reason: str | None,
        size: int | None,
        attempts: int | None,
        start: str | None,
    ) -> None:
        metadata = job["metadata"]
        tick = metadata["annotations"][SCHEDULED_TIME_ANNOTATION]
        end = RunEnd(metadata["uid"], metadata["name"], state, reason, size, attempts, start, tick)
        self.ends.setdefault(schedule, []).append(end)


def _path(collection_path: str, item: JSONObject) -> str:
    return f"{collection_path}/{item['metadata']['name']}"


def _job(cron_job: JSONObject, tick: datetime) -> JSONObject:
    """Return a Job as the CronJob controller makes it, except that we end it (managedBy)."""
    template = cron_job["spec"]["jobTemplate"]
    name = cron_job["metadata"]["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name}-{int(tick.timestamp()) // 60}",
            "labels": template["metadata"]["labels"],
            "annotations": {SCHEDULED_TIME_ANNOTATION: format_time(tick)},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": name,
                    "uid": cron_job["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {**template["spec"], "managedBy": "tests.example.com/chaos"},
    }


def _pod(job: JSONObject, attempt: int) -> JSONObject:
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    labels = {
        **job["metadata"]["labels"],
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
    }
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
    container = {"name": "download", "image": "example.com/worker:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-{attempt}", "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [container], "restartPolicy": "Never", "schedulerName": "nobody"},
    }


def _started() -> JSONObject:
    return {"startTime": format_time(datetime.now(UTC)), "active": 1, "ready": 0}


def _ended(is_done: bool, attempts: int) -> JSONObject:
    now = format_time(datetime.now(UTC))
    types = ("SuccessCriteriaMet", "Complete") if is_done else ("FailureTarget", "Failed")
    conditions = [
        {"type": kind, "status": "True", "reason": "Chaos", "lastTransitionTime": now}
        for kind in types
    ]
    counts = {"active": 0, "ready": 0, "terminating": 0, "conditions": conditions}
    if is_done:
        return {**counts, "succeeded": 1, "failed": attempts - 1, "completionTime": now}
    return {**counts, "failed": attempts}
