"""Mirror one kind of object from the API server: list once, then watch forever.

kopf's watcher serves handlers, not caches: it does not say when its first list is complete, and it
does not report what disappeared between a dropped watch and the next list (see
docs/design/2026-11-own-reflector.md).
"""

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Final, Generic, Protocol, TypeVar

import orjson

from download_kube.client import (
    JSON_TYPE,
    METADATA_LIST_TYPE,
    METADATA_TYPE,
    ApiError,
    KubeClient,
    UnreachableError,
)
from download_kube.lines import OverlongLine, split_lines
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

PAGE_SIZE: Final = "500"
WATCH_SECONDS: Final = 240
"""How long the API server keeps a watch open before it ends it in good order."""
IDLE_TIMEOUT_SECONDS: Final = 100.0
"""The API server sends a bookmark about every minute; longer silence means a dead connection."""
MIN_BACKOFF_SECONDS: Final = 0.2
MAX_BACKOFF_SECONDS: Final = 30.0
METADATA_BYTES: Final = 4096
"""Go writes an object's name, namespace and version before its labels, within so many bytes."""


class KubeObject(Protocol):
    """What the parsed form of every object has."""

    @property
    def namespace(self) -> str:
        """The object's namespace."""

    @property
    def uid(self) -> str:
        """The object's UID."""

    @property
    def resource_version(self) -> int:
        """The object's version; of one object's versions, the larger is the newer (KEP-5504)."""


T = TypeVar("T", bound=KubeObject)


def missing_objects(cached: Iterable[T], listed: Collection[str], list_version: int) -> list[T]:
    """Return the cached objects that a complete list shows to be gone.

    Args:
        cached: what the cache holds.
        listed: UIDs in the list.
        list_version: resource version of the list; what is newer may not be in it yet.
    """
    return [obj for obj in cached if obj.uid not in listed and obj.resource_version <= list_version]


class ExpiredError(Exception):
    """The API server no longer has the events since our last one: list again."""


class Reflector(Generic[T]):
    """Mirrors one collection into a cache.

    Args:
        client: connection to the API server.
        path: of the collection, such as ``/apis/batch/v1/jobs``.
        selector: label selector, applied by the API server.
        parse: makes the cached form of a manifest.
        put: called with each object that is new or changed.
        remove: called with the last state of each object that is gone.
        cached: returns what the cache holds of the collection, our own writes included.
        metadata_only: whether *parse* needs only the objects' metadata.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        selector: str,
        parse: Callable[[JSONObject], T],
        put: Callable[[T], None],
        remove: Callable[[T], None],
        cached: Callable[[], Iterable[T]],
        metadata_only: bool = False,
    ) -> None:
        self.path = path
        self.synced = asyncio.Event()
        """Set once the first list is complete, for as long as the reflector runs."""
        self.last_activity = math.inf
        """Monotonic time at which the API server last sent something, or was found unreachable.

        An unreachable API server counts as activity, because restarting this process would not
        help. Infinite while the reflector does not run.
        """
        self.failures = 0
        """Lists and watches that ended in an error."""
        self.skipped = 0
        """Objects that were too large, or could not be parsed."""
        self._client = client
        self._selector = selector
        self._list_type = METADATA_LIST_TYPE if metadata_only else JSON_TYPE
        self._watch_type = METADATA_TYPE if metadata_only else JSON_TYPE
        self._parse = parse
        self._put = put
        self._remove = remove
        self._cached = cached

    async def run(self) -> None:
        """Mirror until cancelled. Every failure is retried with growing, jittered backoff.

        A watch that ends without an event is retried with backoff as well: a proxy may end every
        watch at once.
        """
        self.last_activity = time.monotonic()
        try:
            await self._mirror()
        finally:
            self.last_activity = math.inf
            self.synced.clear()

    async def _mirror(self) -> None:
        version, backoff = "", MIN_BACKOFF_SECONDS
        while True:
            saw_event = False
            try:
                if not version:
                    version = await self._list()
                    if not self.synced.is_set():
                        backoff = MIN_BACKOFF_SECONDS  # what delayed the first list is over
                    self.synced.set()
                async for event_version in self._watch(version):
                    version, backoff, saw_event = event_version, MIN_BACKOFF_SECONDS, True
                if saw_event:
                    continue
            except ExpiredError:
                log.info("watch of %s expired, listing again", self.path)
                version = ""
            except (ApiError, UnreachableError) as error:
                self.failures += 1
                log.warning("watch of %s failed: %s", self.path, error)
                self.last_activity = time.monotonic()
            except Exception:
                # Whatever it is, ending the process would end it for every schedule.
                self.failures += 1
                log.exception("watch of %s failed, listing again", self.path)
                version = ""
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)

    async def _list(self) -> str:
        """Put every object, remove the missing ones; return the version to watch from."""
        listed: set[str] = set()
        query = {"labelSelector": self._selector, "limit": PAGE_SIZE}
        while True:
            try:
                page = await self._client.request(
                    "GET", self.path, query=query, accept=self._list_type
                )
            except ApiError as error:
                if error.is_expired:
                    raise ExpiredError from error
                raise
            self.last_activity = time.monotonic()
            for manifest in page["items"] or ():  # an empty list of metadata is null
                listed.add(manifest["metadata"]["uid"])
                self._deliver(self._put, manifest)
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        version: str = page["metadata"]["resourceVersion"]
        for obj in missing_objects(self._cached(), listed, int(version)):
            self._remove(obj)
        return version

    async def _watch(self, version: str) -> AsyncIterator[str]:
        """Follow the changes since *version*; yield the version of each."""
        query = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            async with self._client.stream(
                self.path, query, self._watch_type, IDLE_TIMEOUT_SECONDS
            ) as body:
                async for line in split_lines(body.iter_any()):
                    self.last_activity = time.monotonic()
                    if isinstance(line, OverlongLine):
                        yield self._skip_overlong(line, version)
                    else:
                        yield self._handle_event(orjson.loads(line))
        except ApiError as error:
            if error.is_expired:
                raise ExpiredError from error
            raise

    def _handle_event(self, event: JSONObject) -> str:
        manifest = event["object"]
        if event["type"] == "ERROR":
            if manifest.get("code") == 410:
                raise ExpiredError
            raise ApiError(
                manifest.get("code", 500), manifest.get("reason", ""), manifest.get("message", "")
            )
        if event["type"] == "DELETED":
            self._deliver(self._remove, manifest)
        elif event["type"] != "BOOKMARK":
            self._deliver(self._put, manifest)
        version: str = manifest["metadata"]["resourceVersion"]
        return version

    def _deliver(self, sink: Callable[[T], None], manifest: JSONObject) -> None:
        """Pass one object to *sink*. One that cannot be parsed must not keep us from the others."""
        try:
            sink(self._parse(manifest))
        except Exception:
            self.skipped += 1
            metadata = manifest["metadata"]
            name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
            log.exception("watch of %s: cannot parse %s, skipping it", self.path, name)

    def _skip_overlong(self, line: OverlongLine, version: str) -> str:
        """Count and log an event that is too long; return the version to go on from."""
        self.skipped += 1
        beginning = line.beginning[:METADATA_BYTES]
        namespace, name = _find_member(beginning, "namespace"), _find_member(beginning, "name")
        log.warning(
            "watch of %s: an event of %s/%s is too long, skipping it", self.path, namespace, name
        )
        return _find_member(beginning, "resourceVersion") or version


def _find_member(beginning: bytes, name: str) -> str:
    """Return the first string member *name* of JSON text that may be cut off; empty if none."""
    match = re.search(rf'"{name}":"([^"\\]*)"'.encode(), beginning)
    return match[1].decode(errors="replace") if match else ""
