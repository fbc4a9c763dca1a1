"""Lists of the schedules in the cluster, read in bounded memory."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from download_api.schema.ids import DISPLAY_NAME_ANNOTATION
from download_api.schema.paging import invalid_cursor
from download_api.store.requests import invalid_selector
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.identity import identify
from download_kube.pages import FIRST_PAGE_SIZE, Page, next_limit, read_page
from download_kube.paths import ALL_NAMESPACES, SCHEDULES, collection
from download_schedule.model import PLURAL
from download_schedule.namespaces import ServedNamespaces
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

PAGE_SIZE: Final = 500
"""Schedules that the API server is asked for at once."""
USUAL_BYTES: Final = 64 * 1024
"""Length of a schedule's JSON up to which it is not worth measuring what we keep of it."""


class ListedSchedule(NamedTuple):
    """A schedule in a list, without the annotations and other metadata that the API never shows."""

    resource: JSONObject
    bytes: int
    """Length of its JSON."""


class SchedulePage(NamedTuple):
    """A page of the API server's list."""

    items: list[ListedSchedule]
    continue_token: str
    """Leads to the next page; empty on the last one."""
    remaining: int
    """Schedules on later pages. The API server does not count them if labels select them."""
    next_limit: int
    """How many schedules to ask for next."""


class _Annotations(Struct, omit_defaults=True):
    display_name: str | UnsetType = field(name=DISPLAY_NAME_ANNOTATION, default=UNSET)


class _Metadata(Struct, rename="camel"):
    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: str
    annotations: _Annotations = field(default_factory=_Annotations)


class _Resource(Struct):
    """What a list shows of a schedule. The parser skips everything else."""

    metadata: _Metadata
    spec: dict[str, Any]
    status: dict[str, Any] = {}


_decode: Final = msgspec.json.Decoder(_Resource).decode


def parse_schedule(text: msgspec.Raw) -> JSONObject:
    """Return a schedule as a list shows it, without what a stranger may have made large.

    Raises:
        ValueError, RecursionError: nobody could read it.
    """
    resource: JSONObject = msgspec.to_builtins(_decode(text))
    return resource


class ScheduleLists:
    """Lists DownloadSchedules."""

    def __init__(self, client: KubeClient, served: ServedNamespaces) -> None:
        self._client = client
        self._served = served

    def scopes(self, namespace: str) -> Sequence[str]:
        """Return the scopes that hold the schedules of *namespace*; empty: of all namespaces.

        A scope is a namespace or :data:`ALL_NAMESPACES`. The scopes are in the order of
        :func:`sort_key`. A namespace that is not served has no scope.
        """
        if namespace:
            return (namespace,) if self._served.is_readable(namespace) else ()
        return sorted(self._served.listed, key=lambda name: f"{name}/") or (ALL_NAMESPACES,)

    async def list_all(self, scope: str, labels: str) -> AsyncIterator[SchedulePage]:
        """Yield the schedules of a scope in the order of :func:`sort_key`.

        Raises:
            ProblemError: 422, *labels* is not a label selector.
        """
        limit, token = FIRST_PAGE_SIZE, ""
        while True:
            try:
                page = await self._read_page(scope, labels, limit, token)
            except ApiError as error:
                if labels and error.status == 400:
                    raise invalid_selector(error) from error
                raise
            yield page
            token, limit = page.continue_token, page.next_limit
            if not token:
                return

    async def list_page(self, scope: str, limit: int, continue_token: str) -> SchedulePage:
        """Return at most *limit* schedules of a scope, and fewer if they are large.

        Raises:
            ApiError: 410, the token has expired.
            ProblemError: 422, the API server did not make the token.
        """
        try:
            return await self._read_page(scope, "", limit, continue_token)
        except ApiError as error:
            if continue_token and error.status == 400:
                raise invalid_cursor() from error
            raise

    async def _read_page(
        self, scope: str, labels: str, limit: int, continue_token: str
    ) -> SchedulePage:
        query = {"labelSelector": labels} if labels else {}
        path = collection(SCHEDULES, scope, PLURAL)
        # Parsed at once, because the page's JSON is larger than what is kept of it.
        return _parse(await read_page(self._client, path, query, limit, continue_token))


def _parse(page: Page) -> SchedulePage:
    if page.skipped:
        log.warning("listing schedules: cannot read %s: too large or too deep", page.skipped)
    items = [item for item in map(_parse_item, page.items) if item]
    return SchedulePage(items, page.continue_token, page.remaining, next_limit(page))


def _parse_item(text: msgspec.Raw) -> ListedSchedule | None:
    """Return a schedule in a list, or None if nobody could read it: the others are still shown."""
    try:
        resource = parse_schedule(text)
    except (ValueError, RecursionError) as error:
        log.warning("listing schedules: cannot read %s: %s", identify(bytes(text)), error)
        return None
    size = memoryview(text).nbytes
    # Of a large one, only the part counts that we keep: nobody's annotations may cut the list.
    return ListedSchedule(
        resource, size if size <= USUAL_BYTES else len(msgspec.json.encode(resource))
    )
