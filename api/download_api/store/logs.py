"""Logs of runs: what a run's Pods wrote, as long as Kubernetes keeps them."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct, field

from download_api.problems.problem import ProblemError
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.pages import Page, read_pages
from download_kube.paths import CORE, collection
from download_schedule.names import CONTAINER, JOB_UID_LABEL, SCHEDULE_UID_LABEL

MAX_LOOKUP_BYTES: Final = 64 * 1024**2
"""How much is read to find a run's Pods."""


class OwnerReference(Struct):
    """One owner of a Pod."""

    uid: str
    controller: bool = False


class Metadata(Struct, rename="camel"):
    """What is read of a Pod's metadata."""

    name: str
    uid: str
    creation_timestamp: str
    owner_references: list[OwnerReference] = []

    def is_controlled_by(self, uid: str) -> bool:
        """Return whether the object with this UID controls the Pod."""
        return any(owner.controller and owner.uid == uid for owner in self.owner_references)


class PodSpec(Struct, rename="camel"):
    """What is read of a Pod's spec."""

    node_name: str = ""


class JSONPod(Struct):
    """What is read of a Pod. The parser skips everything else."""

    metadata: Metadata
    spec: PodSpec = field(default_factory=PodSpec)


_decode: Final = msgspec.json.Decoder(JSONPod).decode


class LogReader:
    """Logs of the attempts of runs."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    @asynccontextmanager
    async def open(
        self,
        namespace: str,
        schedule_uid: str,
        run: Mapping[str, Any],
        attempt: int | None,
        tail: int | None,
        *,
        follow: bool,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open one attempt's log.

        Args:
            namespace: of the schedule.
            schedule_uid: its UID. The schedule itself could be large, and a log may be read for
                minutes.
            run: entry of its history.
            attempt: number of the attempt, from 1; None for the last one.
            tail: how many of the existing lines to read; None for all.
            follow: go on until the attempt ends.

        Raises:
            ProblemError: 404, the log does not exist yet, or no longer.
        """
        pods = collection(CORE, namespace, "pods")
        labels = f"{JOB_UID_LABEL}={run['id']},{SCHEDULE_UID_LABEL}={schedule_uid}"
        found = await self._pods_of(run["id"], pods, labels)
        pod = select_pod(found, attempt, run.get("attempts", 0))
        if not pod.spec.node_name:  # the API server would send an empty log
            raise _log_not_found("The attempt has not started")
        path = f"{pods}/{pod.metadata.name}/log"
        query = {"container": CONTAINER, "follow": str(follow).lower()}
        if tail is not None:
            query["tailLines"] = str(tail)
        try:
            async with self._client.stream(path, query) as log:
                yield log
        except ApiError as error:
            if error.is_not_found or error.status == 400:  # 400: the container has not started
                raise _log_not_found("The attempt has not started, or its Pod is gone") from error
            raise

    async def _pods_of(self, job_uid: str, path: str, labels: str) -> list[JSONPod]:
        """Return the Pods that the Job controls: anybody can write labels.

        Raises:
            ProblemError: 404, there is too much with these labels to look through.
        """
        pods: list[JSONPod] = []
        read = 0
        async for page in read_pages(self._client, path, {"labelSelector": labels}):
            pods += _controlled_by(job_uid, page)
            read += page.bytes
            if read > MAX_LOOKUP_BYTES and page.continue_token:
                raise _log_not_found("Too many Pods have the labels of this run")
            del page
        return pods


def _controlled_by(job_uid: str, page: Page) -> Iterator[JSONPod]:
    for item in page.items:
        with suppress(ValueError, RecursionError):
            pod = _decode(item)
            if pod.metadata.is_controlled_by(job_uid):
                yield pod


def select_pod(pods: Sequence[JSONPod], attempt: int | None, started: int) -> JSONPod:
    """Return the Pod of an attempt. Pure.

    Kubernetes removes the oldest Pods first. So if there are fewer Pods than attempts, those of the
    first attempts are gone.

    Args:
        pods: the run's Pods, in any order.
        attempt: number of the attempt, from 1; None for the last one.
        started: how many attempts the run has started, as far as the status knows.

    Raises:
        ProblemError: 404, the attempt has no Pod.
    """
    if not pods:
        raise _log_not_found("The run has no Pods yet, or no longer")
    oldest_first = sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.uid))
    gone = max(started - len(pods), 0)
    last = gone + len(pods)
    number = attempt or last
    if number > last:
        raise _log_not_found(f"The last attempt so far is {last}")
    if number <= gone:
        raise _log_not_found(f"The Pods up to attempt {gone} are gone")
    return oldest_first[number - gone - 1]


def _log_not_found(reason: str) -> ProblemError:
    message = f"{reason}. Kubernetes keeps a log only as long as its Pod."
    return ProblemError(404, "log_not_found", message)
