"""Changes of schedules as they happen: a watch, translated to server-sent events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from download_api.schema.from_resource import to_schedule
from download_api.store.requests import invalid_selector
from download_api.store.schedule_lists import parse_schedule
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.lines import Line, OverlongLine, split_lines
from download_kube.pages import read_version
from download_kube.paths import SCHEDULES, collection
from download_kube.watch_events import decode_event, read_identity
from download_schedule.model import PLURAL
from download_schedule.types import JSONObject

WATCH_SECONDS: Final = 900
"""How long the API server keeps a watch open; longer than any stream lasts."""
RETRY_MILLISECONDS: Final = 3000
"""How long a browser waits before it connects again."""
HEARTBEAT: Final = b": alive\n\n"
"""A comment, which clients ignore."""
RESET: Final = b"id\nevent: reset\ndata: {}\n\n"
"""Events were missed: the caller has to list the schedules again, and start without an id."""
MAX_EVENT: Final = 4 * 1024**2
"""Longest event of a schedule that is read, in bytes; etcd stores 1.5 MiB by default."""
_MISSED: Final[JSONObject] = {"type": "ERROR"}
"""Stands for an event that cannot be read: the caller has missed it."""
_EVENT_NAMES: Final = {"ADDED": "created", "MODIFIED": "changed", "DELETED": "deleted"}


@dataclass(frozen=True)
class OpenWatch:
    """A watch whose events can be read."""

    preamble: bytes
    """What to send to the caller before the first event."""
    read: Callable[[], Awaitable[JSONObject]]
    """Returns the next event of the API server, or ``{}`` at the end; ValueError if it breaks
    off within an event."""


class ScheduleWatcher:
    """Watches the schedules in the cluster."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    @asynccontextmanager
    async def open(
        self, namespace: str, labels: str, last_event_id: str
    ) -> AsyncIterator[OpenWatch]:
        """Open a watch.

        Args:
            namespace: namespace to watch; empty for all.
            labels: label selector; empty for all schedules.
            last_event_id: id of the last event that the caller has seen, which is a resource
                version; empty to start now.

        Raises:
            ApiError, UnreachableError: the watch cannot be opened.
            ProblemError: 422, *labels* is not a label selector.
        """
        path = collection(SCHEDULES, namespace, PLURAL)
        preamble = f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        version, newest = last_event_id, await read_version(self._client, path)
        if version and int(version) > int(newest):
            # etcd was restored from a backup. A watch would wait until it gets there again.
            preamble += RESET
            version = ""
        if not version:
            version = newest
            preamble += f"id: {version}\n\n".encode()
        query = {
            "labelSelector": labels,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            async with self._client.stream(path, query) as body:
                lines = split_lines(body.iter_any(), self._client.large_reads, MAX_EVENT)
                yield OpenWatch(preamble, partial(_read_event, lines))
        except ApiError as error:
            if labels and error.status == 400:
                raise invalid_selector(error) from error
            raise


async def _read_event(lines: AsyncIterator[Line | OverlongLine]) -> JSONObject:
    async for line in lines:
        if isinstance(line, OverlongLine):
            return _MISSED
        return _parse_event(line)
    return {}


def _parse_event(line: Line) -> JSONObject:
    """Return an event without what a stranger may have made large: callers may read slowly.

    Raises:
        ValueError: the stream broke off within the event.
    """
    try:
        event = decode_event(line)
    except RecursionError:
        return _MISSED
    if event.type == "BOOKMARK":
        version = str(read_identity(event.object).resource_version)
        return {"type": event.type, "object": {"metadata": {"resourceVersion": version}}}
    try:
        return {"type": event.type, "object": parse_schedule(event.object)}
    except (ValueError, RecursionError):  # or it is the status of an error
        return _MISSED


def to_server_sent_event(event: Mapping[str, Any], now: datetime) -> bytes:
    """Return an event of a watch as the caller gets it. Pure."""
    if event["type"] == "ERROR":  # missed: no longer stored, or too large
        return RESET
    resource = event["object"]
    version = resource["metadata"]["resourceVersion"]
    name = _EVENT_NAMES.get(event["type"])
    if name is None:  # a bookmark
        return f"id: {version}\n\n".encode()
    schedule = to_schedule(resource, now).model_dump_json()
    return f"id: {version}\nevent: {name}\ndata: {schedule}\n\n".encode()
