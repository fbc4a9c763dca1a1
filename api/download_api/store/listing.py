"""Pages of the schedules that a caller may list, and asks for."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from download_api.auth.access import Access
from download_api.schema.from_resource import last_status
from download_api.schema.paging import Cursor
from download_api.store.requests import sort_key
from download_api.store.schedule_lists import PAGE_SIZE, ListedSchedule, ScheduleLists
from download_kube.errors import ApiError
from download_kube.paths import ALL_NAMESPACES
from download_schedule.types import JSONObject

log = logging.getLogger(__name__)

MAX_LIST_BYTES: Final = 16 * 1024**2
"""Largest page of schedules, in bytes of the resources' JSON: some 5,000 usual schedules."""


@dataclass(frozen=True)
class ScheduleFilter:
    """Which schedules to list. An empty text, or None, excludes nothing."""

    namespace: str = ""
    labels: str = ""
    last_status: str | None = None
    enabled: bool | None = None

    @property
    def needs_client_filter(self) -> bool:
        """Whether the API server cannot filter the schedules, or cannot count them."""
        return bool(self.labels or self.last_status) or self.enabled is not None

    def matches(self, resource: Mapping[str, Any]) -> bool:
        """Return whether to list a schedule, which has the namespace and labels already."""
        enabled = not resource["spec"].get("suspend", False)
        has_status = self.last_status in (None, last_status(resource))
        return has_status and self.enabled in (None, enabled)


@dataclass(frozen=True)
class Page:
    """A page of schedules."""

    resources: Sequence[JSONObject]
    total: int
    """Schedules on all pages."""
    next: Cursor | None = None
    """Where the next page starts; None on the last one."""


class PageCollector:
    """Takes the schedules of a list in the order of :func:`sort_key`, and keeps those of one page.

    Args:
        limit: largest number of schedules on the page; None for any.
        offset: how many schedules are on the pages before.
        cursor: where the page before ended; None if *offset* says so.
        max_bytes: where the page ends in any case, in bytes of JSON.
    """

    def __init__(
        self,
        limit: int | None,
        offset: int,
        cursor: Cursor | None,
        max_bytes: int = MAX_LIST_BYTES,
    ) -> None:
        self._limit = limit
        self._offset = offset
        self._after = cursor.key if cursor else ""
        self._bytes_left = max_bytes
        self._resources: list[JSONObject] = []
        self._total = 0
        self._is_full = False

    def add(self, item: ListedSchedule) -> None:
        """Take the next schedule."""
        self._total += 1
        if self._total <= self._offset or sort_key(item.resource) <= self._after:
            return
        is_over_limit = self._limit is not None and len(self._resources) >= self._limit
        is_too_large = bool(self._resources) and item.bytes > self._bytes_left
        if self._is_full or is_over_limit or is_too_large:
            self._is_full = True
            return
        self._bytes_left -= item.bytes
        self._resources.append(item.resource)

    def page(self) -> Page:
        """Return the page."""
        following = Cursor(key=sort_key(self._resources[-1])) if self._is_full else None
        return Page(self._resources, self._total, following)


async def list_schedules(
    lists: ScheduleLists,
    access: Access,
    schedule_filter: ScheduleFilter,
    limit: int | None,
    offset: int,
    cursor: Cursor | None,
) -> Page:
    """Return the schedules after *offset* or *cursor*, at most *limit*.

    If the API server can select the schedules in one list, it makes the page, which then costs the
    same for any number of schedules. Otherwise all schedules are read and filtered here. In both
    cases the page ends after :data:`MAX_LIST_BYTES`.

    Raises:
        ProblemError: 422, the labels are not a label selector.
    """
    scopes = lists.scopes(schedule_filter.namespace)
    only_scope = scopes[0] if len(scopes) == 1 else None
    may_list_all = await access.may_list(ALL_NAMESPACES if only_scope is None else only_scope)
    is_selectable = not offset and not schedule_filter.needs_client_filter
    if limit and may_list_all and is_selectable and only_scope is not None:
        page = await _server_side_page(lists, only_scope, limit, cursor)
        if page is not None:
            return page
    collector = PageCollector(limit, offset, cursor)
    for scope in scopes:
        try:
            async for part in lists.list_all(scope, schedule_filter.labels):
                items = part.items if may_list_all else await _listable(part.items, access)
                for item in items:
                    if schedule_filter.matches(item.resource):
                        collector.add(item)
        except ApiError as error:
            if only_scope is not None or error.status != 403:
                raise
            # The namespace was deleted, and our rights with it.
            log.warning("listing schedules without the namespace %s: %s", scope, error)
    return collector.page()


async def _listable(items: Sequence[ListedSchedule], access: Access) -> list[ListedSchedule]:
    """Return those of *items* that the caller may list."""
    listable = await access.filter_listable([item.resource for item in items])
    namespaces = {resource["metadata"]["namespace"] for resource in listable}
    return [item for item in items if item.resource["metadata"]["namespace"] in namespaces]


async def _server_side_page(
    lists: ScheduleLists, scope: str, limit: int, cursor: Cursor | None
) -> Page | None:
    """Return a page of the API server's list, or None if it cannot go on after *cursor*."""
    if cursor and not cursor.token:
        return None  # made by PageCollector
    seen, token = (cursor.seen, cursor.token) if cursor else (0, "")
    try:
        page = await lists.list_page(scope, min(limit, PAGE_SIZE), token)
    except ApiError as error:
        if error.is_expired:
            return None
        raise
    resources = [item.resource for item in page.items]
    seen += len(resources)
    following = None
    if page.continue_token:
        last = sort_key(resources[-1]) if resources else cursor.key if cursor else ""
        following = Cursor(key=last, seen=seen, token=page.continue_token)
    return Page(resources, seen + page.remaining, following)
