"""The logs of runs: what a run's Pods wrote, as long as Kubernetes keeps them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from download_api.problems import ProblemError
from download_kube.client import ApiError, KubeClient
from download_schedule.names import CONTAINER, JOB_UID_LABEL, SCHEDULE_UID_LABEL

JSON = Mapping[str, Any]


class Logs:
    """Logs of the attempts of runs."""

    def __init__(self, cluster: KubeClient) -> None:
        self._cluster = cluster

    @asynccontextmanager
    async def open(
        self, schedule: JSON, run: JSON, attempt: int | None, tail: int | None, *, follow: bool
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open one attempt's log.

        Args:
            schedule: the resource.
            run: entry of its history.
            attempt: 1 or more; None: the last one.
            tail: how many lines of what is there already; None: all.
            follow: go on until the attempt ends.

        Raises:
            ProblemError: 404, there is none, or not yet, or not any more.
        """
        metadata = schedule["metadata"]
        pods = f"/api/v1/namespaces/{metadata['namespace']}/pods"
        labels = f"{JOB_UID_LABEL}={run['id']},{SCHEDULE_UID_LABEL}={metadata['uid']}"
        found = await self._cluster.request("GET", pods, query={"labelSelector": labels})
        pod = chosen(found["items"], attempt, run.get("attempts", 0))
        if not pod["spec"].get("nodeName"):  # the API server would answer with an empty log
            raise _no_log("It has not begun")
        query = {"container": CONTAINER, "follow": str(follow).lower()}
        if tail is not None:
            query["tailLines"] = str(tail)
        try:
            path = f"{pods}/{pod['metadata']['name']}/log"
            async with self._cluster.stream(path, query) as log:
                yield log
        except ApiError as error:
            if error.status in (400, 404):  # 400: the container has not started
                raise _no_log("It has not begun, or is gone") from error
            raise


def chosen(pods: list[Any], attempt: int | None, begun: int) -> JSON:
    """Return the Pod of the attempt of that number, or of the last one. Pure.

    Of the attempts that have *begun*, those without a Pod are taken for the first ones: Kubernetes
    removes the oldest Pods first.

    Raises:
        ProblemError: 404.
    """
    ordered = sorted(
        pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["uid"])
    )
    if not ordered:
        raise _no_log("The run's Pods are gone, or not there yet")
    gone = max(begun - len(ordered), 0)
    last = gone + len(ordered)
    number = attempt or last
    if number > last:
        raise _no_log(f"The last attempt so far is {last}")
    if number <= gone:
        raise _no_log(f"The Pods up to attempt {gone} are gone")
    pod: JSON = ordered[number - gone - 1]
    return pod


def _no_log(why: str) -> ProblemError:
    return ProblemError(
        404, "log_not_found", f"{why}: Kubernetes keeps logs only as long as the Pods of a run."
    )
