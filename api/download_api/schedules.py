"""The schedules in the cluster: read, made, deleted."""

import secrets
from typing import Any, Final

from download_api.cluster import Cluster, ClusterError
from download_api.problems import ProblemError
from download_api.shapes import NewSchedule
from download_api.translate import manifest, slug, split_id
from download_schedule.model import GROUP, PLURAL, VERSION

JSON = dict[str, Any]

PAGE: Final = "500"
NAME_ATTEMPTS: Final = 5


class Schedules:
    """DownloadSchedules, found by the ids that the API gives them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def check(self) -> None:
        """Ask the cluster for next to nothing.

        Raises:
            ClusterError, UnreachableError: nothing else would work either.
        """
        await self._cluster.request("GET", _path(), query={"limit": "1"})

    async def all(self) -> list[JSON]:
        """Return every schedule of every namespace, oldest first."""
        found: list[JSON] = []
        query = {"limit": PAGE}
        while True:
            page = await self._cluster.request("GET", _path(), query=query)
            found += page["items"]
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        return sorted(found, key=lambda item: item["metadata"]["creationTimestamp"])

    async def get(self, schedule_id: str) -> JSON:
        """Return one schedule.

        Raises:
            ProblemError: 404, there is none.
        """
        return await self._request("GET", schedule_id)

    async def delete(self, schedule_id: str) -> None:
        """Delete one schedule; its CronJob, Jobs and Pods follow.

        Raises:
            ProblemError: 404, there is none.
        """
        await self._request("DELETE", schedule_id)

    async def create(self, new: NewSchedule, namespace: str) -> JSON:
        """Make a schedule, under a name not yet taken.

        Raises:
            ProblemError: 400 or 422, it cannot be; 404, the namespace is not there.
        """
        name = slug(new.name)
        for _ in range(NAME_ATTEMPTS):
            try:
                return await self._cluster.request(
                    "POST", _path(namespace), manifest(new, namespace, name)
                )
            except ClusterError as error:
                if error.status != 409 or error.reason != "AlreadyExists":
                    raise
                name = f"{slug(new.name)}-{secrets.token_hex(3)}"
        raise ProblemError(409, "conflict", "name: too many schedules have it; choose another")

    async def _request(self, method: str, schedule_id: str) -> JSON:
        place = split_id(schedule_id)
        try:
            if place:
                return await self._cluster.request(method, _path(*place))
        except ClusterError as error:
            if error.status != 404:
                raise
        raise ProblemError(
            404, "schedule_not_found", "There is no schedule of that id; GET /schedules lists them."
        )


def _path(namespace: str = "", name: str = "") -> str:
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{place}/{PLURAL}" + (f"/{name}" if name else "")
