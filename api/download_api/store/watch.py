"""Changes of schedules as they happen: a watch, spelled as server-sent events."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from download_api.schema import from_resource
from download_api.store.schedules import bad_selector, collection
from download_kube.client import ApiError, KubeClient
from download_kube.lines import OverlongLine, split_lines

JSON = Mapping[str, Any]

WATCH_SECONDS: Final = 900
"""Longer than any stream lives."""
RETRY_MILLISECONDS: Final = 3000
ALIVE: Final = b": alive\n\n"
RESET: Final = b"id\nevent: reset\ndata: {}\n\n"
"""What the caller has seen last is forgotten already, or never was here. He begins anew."""
_KINDS: Final = {"ADDED": "created", "MODIFIED": "changed", "DELETED": "deleted"}


@dataclass(frozen=True)
class Opened:
    """A watch under way."""

    begin: bytes
    """The first words to the caller."""
    read: Callable[[], Awaitable[JSON]]
    """Reads the next event; nothing where the watch ends, ValueError where it breaks off."""


class Feed:
    """Watches of the schedules in the cluster."""

    def __init__(self, cluster: KubeClient) -> None:
        self._cluster = cluster

    @asynccontextmanager
    async def open(self, namespace: str, labels: str, version: str) -> AsyncIterator[Opened]:
        """Open a watch.

        Args:
            namespace: empty: all of them.
            labels: a selector; empty: any.
            version: of the last event that the caller has seen; empty: from now on.

        Raises:
            ApiError, UnreachableError: there is no watch.
            ProblemError: 422, *labels* is no selector.
        """
        begin = f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        newest = await self._version(namespace)
        if version and int(version) > int(newest):  # etcd was restored; a watch would wait for it
            begin, version = begin + RESET, ""
        if not version:
            version = newest
            begin += f"id: {version}\n\n".encode()
        query = {
            "labelSelector": labels,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            async with self._cluster.stream(collection(namespace), query) as body:
                yield Opened(begin, partial(_read, split_lines(body.iter_any())))
        except ApiError as error:
            if labels and error.status == 400:
                raise bad_selector(error) from error
            raise

    async def _version(self, namespace: str) -> str:
        listed = await self._cluster.request("GET", collection(namespace), query={"limit": "1"})
        version: str = listed["metadata"]["resourceVersion"]
        return version


async def _read(lines: AsyncIterator[bytes | OverlongLine]) -> JSON:
    async for line in lines:
        if isinstance(line, bytes):
            event: JSON = json.loads(line)
            return event
    return {}


def event(told: JSON, now: datetime) -> bytes:
    """Return an event of a watch as server-sent event. Pure."""
    if told["type"] == "ERROR":
        return RESET
    resource = told["object"]
    version = resource["metadata"]["resourceVersion"]
    if told["type"] not in _KINDS:
        return f"id: {version}\n\n".encode()
    shown = from_resource.schedule(resource, now).model_dump_json()
    return f"id: {version}\nevent: {_KINDS[told['type']]}\ndata: {shown}\n\n".encode()
