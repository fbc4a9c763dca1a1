"""Runs whose course we decide: Jobs and Pods as Kubernetes' controllers would make and end them."""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from download_kube.client import ApiError, KubeClient, UnreachableError
from download_schedule.model import API_VERSION, PLURAL

JSON = dict[str, Any]

MERGE: Final = "application/merge-patch+json"
FIRST_TICK: Final = datetime(2026, 1, 1, tzinfo=UTC)
COMPLETED, FAILED, DELETED = "Completed", "Failed", "JobDeleted"


@dataclass(frozen=True)
class Ending:
    """The truth about one run."""

    id: str
    job: str
    state: str
    reason: str | None
    bytes: int | None
    attempts: int | None
    """None: of a Job deleted unseen, the status knows no more than it had stored."""
    start: str | None
    """What the history is ordered by; None for the same reason."""


class Steady:
    """A client that does not give up: every request is made until it was answered."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> JSON:
        """Send a request that may be repeated; what exists or is gone already is fine."""
        while True:
            try:
                return await self._client.request(method, path, body, content_type=content_type)
            except ApiError as error:
                if error.reason == "AlreadyExists":
                    return await self.request("GET", f"{path}/{body['metadata']['name']}")
                if error.status == 404 and method == "DELETE":
                    return {}
                if error.status < 500 and error.status != 429:
                    raise
            except UnreachableError:
                pass
            await asyncio.sleep(0.2)


class Runs:
    """Makes runs of the schedules of one namespace and keeps the ledger of how they ended."""

    def __init__(self, client: Steady, namespace: str, dice: random.Random) -> None:
        self.ledger: dict[str, list[Ending]] = {}
        self._client = client
        self._namespace = namespace
        self._dice = dice
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"

    async def run(self, schedule: str, number: int) -> None:
        """Take one run of *schedule* from its tick to its end."""
        cron_job = await self._client.request(
            "GET", f"/apis/batch/v1/namespaces/{self._namespace}/cronjobs/{schedule}"
        )
        job = await self._client.request("POST", self._jobs, _job(cron_job, number))
        started = _started()
        await self._patch(_path(self._jobs, job), started)
        codes = self._dice.choice([[0], [0], [0], [20, 0], [10], [20, 20, 20, 20]])
        for attempt, code in enumerate(codes, start=1):
            await self._attempt(job, attempt, code, number)
            await asyncio.sleep(self._dice.uniform(0, 0.1))
        if codes[-1] != 0 and self._dice.random() < 0.3 and await self._is_known(schedule, job):
            await self._client.request("DELETE", _path(self._jobs, job), _BACKGROUND)
            self._end(schedule, job, FAILED, DELETED, None, None, None)
            return
        done = codes[-1] == 0
        await self._patch(_path(self._jobs, job), _ended(done, len(codes)))
        reason = None if codes == [0] else f"Code{[c for c in codes if c][-1]}"
        state = COMPLETED if done else FAILED
        size = number if done else None
        self._end(schedule, job, state, reason, size, len(codes), started["startTime"])

    async def _attempt(self, job: JSON, attempt: int, code: int, number: int) -> None:
        pod = await self._client.request("POST", self._pods, _pod(job, attempt))
        path = _path(self._pods, pod)
        if self._dice.random() < 0.7:
            await self._patch(path, _container("Running", {"running": {}}))
        document = {"bytes": number} if code == 0 else {"reason": f"Code{code}", "message": "x"}
        ended = {"exitCode": code, "reason": "Error", "message": json.dumps(document)}
        phase = "Failed" if code else "Succeeded"
        await self._patch(path, _container(phase, {"terminated": ended}))

    async def _is_known(self, schedule: str, job: JSON) -> bool:
        """Whether the status has the run: a Job that nobody saw leaves nothing to record."""
        path = f"/apis/{API_VERSION}/namespaces/{self._namespace}/{PLURAL}/{schedule}"
        resource = await self._client.request("GET", path)
        history = resource.get("status", {}).get("history", [])
        return any(run["id"] == job["metadata"]["uid"] for run in history)

    async def _patch(self, path: str, status: JSON) -> None:
        await self._client.request("PATCH", f"{path}/status", {"status": status}, MERGE)

    def _end(
        self,
        schedule: str,
        job: JSON,
        state: str,
        reason: str | None,
        size: int | None,
        count: int | None,
        start: str | None,
    ) -> None:
        metadata = job["metadata"]
        ending = Ending(metadata["uid"], metadata["name"], state, reason, size, count, start)
        self.ledger.setdefault(schedule, []).append(ending)


_BACKGROUND: Final[Mapping[str, str]] = {"propagationPolicy": "Background"}


def _path(collection: str, item: JSON) -> str:
    return f"{collection}/{item['metadata']['name']}"


def _job(cron_job: JSON, number: int) -> JSON:
    """As the CronJob controller makes one, but that its end is ours to say (managedBy)."""
    tick = FIRST_TICK + timedelta(minutes=number)
    template = cron_job["spec"]["jobTemplate"]
    name = cron_job["metadata"]["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name}-{int(tick.timestamp()) // 60}",
            "labels": template["metadata"]["labels"],
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": _text(tick)},
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


def _pod(job: JSON, attempt: int) -> JSON:
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


def _container(phase: str, state: JSON) -> JSON:
    container = {
        "name": "download",
        "image": "example.com/worker:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {"phase": phase, "containerStatuses": [container]}


def _started() -> JSON:
    return {"startTime": _text(datetime.now(UTC)), "active": 1, "ready": 0}


def _ended(done: bool, attempts: int) -> JSON:
    now = _text(datetime.now(UTC))
    before, kind = ("SuccessCriteriaMet", "Complete") if done else ("FailureTarget", "Failed")
    conditions = [
        {"type": each, "status": "True", "reason": "Chaos", "lastTransitionTime": now}
        for each in (before, kind)
    ]
    counts = {"active": 0, "ready": 0, "terminating": 0, "conditions": conditions}
    if done:
        return {**counts, "succeeded": 1, "failed": attempts - 1, "completionTime": now}
    return {**counts, "failed": attempts}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
