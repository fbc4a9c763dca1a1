"""Mirror one kind of the API server's objects: list once, then watch for ever.

kopf's watcher is made for handlers and not for mirrors: it does not say when its first list is
complete, and what vanished between a dropped watch and the next list goes unnoticed (see
docs/design/2026-11-own-reflector.md).
"""

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Any, Final, Generic, Protocol, TypeVar

import orjson

from download_kube.client import METADATA, UNREACHABLE, WHOLE, ApiError, KubeClient, OverlongLine

log = logging.getLogger(__name__)

PAGE: Final = "500"
WATCH_SECONDS: Final = 240
"""After this long the API server ends a watch in good order."""
SILENCE_SECONDS: Final = 100.0
"""The API server sends a bookmark about every minute; longer silence means a dead connection."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
METADATA_BYTES: Final = 4096
"""In which an object's name, namespace and version are: Go writes them before its labels."""


class KubeObject(Protocol):
    """What every projection of an object has."""

    @property
    def namespace(self) -> str:
        """The object's namespace."""

    @property
    def uid(self) -> str:
        """The object's UID."""

    @property
    def resource_version(self) -> int:
        """The object's version; of one object's versions, the larger is the newer (KEP-5504)."""


V = TypeVar("V", bound=KubeObject)


def vanished(known: Iterable[V], listed: Collection[str], version: int) -> list[V]:
    """Return what of *known* is gone: not in a list of this version, and no newer than it."""
    return [each for each in known if each.uid not in listed and each.resource_version <= version]


class ExpiredError(Exception):
    """The API server no longer knows what happened since our last event: list again."""


class Reflector(Generic[V]):
    """One list and watch.

    Args:
        path: of the collection, such as ``/apis/batch/v1/jobs``.
        selector: label selector, applied by the server.
        metadata_only: whether *project* needs nothing but the objects' metadata.
        project: makes the projection that the sinks get.
        put: called with each object that is new or changed.
        remove: called with the last known state of each object that is gone.
        known: tells what is known of the collection, be it by our own writes.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        selector: str,
        project: Callable[[dict[str, Any]], V],
        put: Callable[[V], None],
        remove: Callable[[V], None],
        known: Callable[[], Iterable[V]],
        metadata_only: bool = False,
    ) -> None:
        self.path = path
        self.synced = asyncio.Event()
        """Set while it runs, once the first list is complete."""
        self.heard = math.inf
        """When the API server was last heard, or known to be away, by the monotonic clock.

        An API server that is away is no fault of this process: to start it anew would not help.
        While it does not run there is nothing to hear.
        """
        self.failures = 0
        """Lists and watches that ended in an error."""
        self.skipped = 0
        """Objects that were too large, or could not be read, and were passed over."""
        self._client = client
        self._selector = selector
        self._list_type = METADATA.format("List") if metadata_only else WHOLE
        self._watch_type = METADATA.format("") if metadata_only else WHOLE
        self._project = project
        self._put = put
        self._remove = remove
        self._known = known

    async def run(self) -> None:
        """Mirror until cancelled; every failure is retried, with a growing, jittered pause.

        So is a watch that ends without a word: something on the way may end each of them at once.
        """
        self.heard = time.monotonic()
        try:
            await self._mirror()
        finally:
            self.heard = math.inf
            self.synced.clear()

    async def _mirror(self) -> None:
        version, pause = "", FIRST_PAUSE
        while True:
            told = False
            try:
                if not version:
                    version = await self._list()
                    if not self.synced.is_set():
                        pause = FIRST_PAUSE  # what kept the first list away is over
                    self.synced.set()
                async for seen in self._watch(version):
                    version, pause, told = seen, FIRST_PAUSE, True
                if told:
                    continue
            except ExpiredError:
                log.info("watch of %s expired, listing again", self.path)
                version = ""
            except (ApiError, *UNREACHABLE) as error:
                self.failures += 1
                log.warning("watch of %s failed: %s", self.path, error or type(error).__name__)
                self.heard = time.monotonic()
            except Exception:
                # Whatever it is, ending the process would end it for every schedule.
                self.failures += 1
                log.exception("watch of %s failed, listing again", self.path)
                version = ""
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> str:
        """Take in everything there is, forget the rest; return where to watch from."""
        listed: set[str] = set()
        query = {"labelSelector": self._selector, "limit": PAGE}
        while True:
            try:
                page = await self._client.request(
                    "GET", self.path, query=query, accept=self._list_type
                )
            except ApiError as error:
                if error.status == 410:
                    raise ExpiredError from error
                raise
            self.heard = time.monotonic()
            for manifest in page["items"] or ():  # an empty list of metadata is null
                listed.add(manifest["metadata"]["uid"])
                self._deliver(self._put, manifest)
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        version: str = page["metadata"]["resourceVersion"]
        for view in vanished(self._known(), listed, int(version)):
            self._remove(view)
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
            stream = self._client.lines(self.path, query, self._watch_type, SILENCE_SECONDS)
            async with stream as lines:
                async for line in lines:
                    self.heard = time.monotonic()
                    if isinstance(line, OverlongLine):
                        yield self._skip_overlong(line, version)
                    else:
                        yield self._event(orjson.loads(line))
        except ApiError as error:
            if error.status == 410:
                raise ExpiredError from error
            raise

    def _event(self, event: dict[str, Any]) -> str:
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

    def _deliver(self, sink: Callable[[V], None], manifest: dict[str, Any]) -> None:
        """Hand one object to *sink*; one that cannot be read must not keep us from the others."""
        try:
            sink(self._project(manifest))
        except Exception:
            self.skipped += 1
            metadata = manifest["metadata"]
            name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
            log.exception("watch of %s: %s cannot be read, skipping it", self.path, name)

    def _skip_overlong(self, line: OverlongLine, version: str) -> str:
        """Pass over an event that is too long; return the version to go on from."""
        self.skipped += 1
        beginning = line.beginning[:METADATA_BYTES]
        namespace, name = _member(beginning, "namespace"), _member(beginning, "name")
        log.warning(
            "watch of %s: an event of %s/%s is too long, skipping it", self.path, namespace, name
        )
        return _member(beginning, "resourceVersion") or version


def _member(beginning: bytes, name: str) -> str:
    """Return the first string member *name* of a JSON text that may be cut off; empty if none."""
    match = re.search(rf'"{name}":"([^"\\]*)"'.encode(), beginning)
    return match[1].decode(errors="replace") if match else ""
