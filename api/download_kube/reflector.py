"""Mirror one kind of object from the API server: list once, then watch forever.

kopf's watcher serves handlers, not caches: it does not say when its first list is complete, and it
does not report what disappeared between a dropped watch and the next list (see
docs/design/2026-11-own-reflector.md).
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from download_kube.client import JSON_TYPE, METADATA_LIST_TYPE, METADATA_TYPE, KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.identity import Identity, identify
from download_kube.lines import Line, OverlongLine, split_lines
from download_kube.pages import read_pages
from download_kube.watch_events import ExpiredError, decode_event, read_error, read_identity

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 240
"""How long the API server keeps a watch open before it ends it in good order."""
IDLE_TIMEOUT_SECONDS: Final = 100.0
"""The API server sends a bookmark about every minute; longer silence means a dead connection."""
MIN_BACKOFF_SECONDS: Final = 0.2
MAX_BACKOFF_SECONDS: Final = 30.0


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


class Reflector(Generic[T]):
    """Mirrors one collection into a cache.

    Args:
        client: connection to the API server.
        path: of the collection, such as ``/apis/batch/v1/jobs``.
        selector: label selector, applied by the API server.
        decode: makes the cached form of an object in JSON.
        put: called with each object that is new or changed.
        remove: called with the last state of each object that is gone.
        cached: returns what the cache holds of the collection, our own writes included.
        metadata_only: whether *decode* needs only the objects' metadata.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        selector: str,
        decode: Callable[[msgspec.Raw], T],
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
        """Objects that were too large, or could not be read."""
        self._client = client
        self._selector = selector
        self._list_type = METADATA_LIST_TYPE if metadata_only else JSON_TYPE
        self._watch_type = METADATA_TYPE if metadata_only else JSON_TYPE
        self._decode = decode
        self._put = put
        self._remove = remove
        self._cached = cached
        self._needs_list = False
        """Whether the cache may lack a change, because its event could not be read."""

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
                if self._needs_list:
                    version = ""
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
        self._needs_list = False
        listed: set[str] = set()
        version = ""
        query = {"labelSelector": self._selector}
        try:
            async for page in read_pages(self._client, self.path, query, self._list_type):
                self.last_activity = time.monotonic()
                version = page.version
                listed.update(self._deliver(self._put, item).uid for item in page.items)
                if page.skipped:
                    listed.add(self._skip(page.skipped, "too large or too deep").uid)
                del page
        except ApiError as error:
            if error.is_expired:
                raise ExpiredError from error
            raise
        if "" in listed:
            log.warning("list of %s: not looking for deleted objects this time", self.path)
            return version
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
                async for line in split_lines(body.iter_any(), self._client.large_reads):
                    self.last_activity = time.monotonic()
                    event_version = self._handle_line(line)
                    del line  # the next one may not come for minutes
                    if event_version:
                        yield str(event_version)
        except ApiError as error:
            if error.is_expired:
                raise ExpiredError from error
            raise

    def _handle_line(self, line: Line | OverlongLine) -> int:
        """Handle an event; return its version, or 0 if that is out of reach."""
        if isinstance(line, OverlongLine):
            return self._skip_event(line.beginning, "too long")
        try:
            event = decode_event(line)
            if event.type == "ERROR":
                raise read_error(event)
            if event.type == "BOOKMARK":
                return read_identity(event.object).resource_version
        except (ValueError, RecursionError) as error:
            return self._skip_event(line, str(error))
        skipped = self.skipped
        sink = self._remove if event.type == "DELETED" else self._put
        version = self._deliver(sink, event.object).resource_version
        self._needs_list = self._needs_list or self.skipped > skipped
        return version

    def _deliver(self, sink: Callable[[T], None], text: msgspec.Raw) -> T | Identity:
        """Pass one object to *sink*; return what is known of it.

        An object that cannot be read must not keep us from the others.
        """
        try:
            obj = self._decode(text)
            sink(obj)
        except Exception as error:
            return self._skip(_identify(text), repr(error))
        return obj

    def _skip_event(self, text: Line, reason: str) -> int:
        """Skip an event; return its version, or 0 if that is out of reach."""
        self._needs_list = True
        return self._skip(identify(text), reason).resource_version

    def _skip(self, identity: Identity, reason: str) -> Identity:
        self.skipped += 1
        log.warning("watch of %s: cannot read %s, skipping it: %s", self.path, identity, reason)
        return identity


def _identify(text: msgspec.Raw) -> Identity:
    try:
        return read_identity(text)
    except (ValueError, RecursionError):
        return identify(bytes(text))
