"""Pages of the schedules that a caller may list, and asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from download_api.auth.access import Access
from download_api.schema.from_resource import last_status
from download_api.schema.paging import Cursor
from download_api.store.requests import sort_key
from download_api.store.schedules import PAGE_SIZE, ScheduleStore
from download_kube.client import ApiError
from download_schedule.types import JSONObject


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


async def list_schedules(
    store: ScheduleStore,
    access: Access,
    schedule_filter: ScheduleFilter,
    limit: int | None,
    offset: int,
    cursor: Cursor | None,
) -> Page:
    """Return the schedules after *offset* or *cursor*, at most *limit*.

    If the API server can select the schedules, it makes the page, which then costs the same for
    any number of schedules. Otherwise all schedules are read and filtered here.

    Raises:
        ProblemError: 422, the labels are not a label selector.
    """
    may_list_all = await access.may_list(schedule_filter.namespace)
    if limit and may_list_all and not offset and not schedule_filter.needs_client_filter:
        page = await _server_side_page(store, schedule_filter.namespace, limit, cursor)
        if page is not None:
            return page
    resources = await store.list_all(schedule_filter.namespace, schedule_filter.labels)
    if not may_list_all:
        resources = await access.filter_listable(resources)
    return slice_page(list(filter(schedule_filter.matches, resources)), limit, offset, cursor)


async def _server_side_page(
    store: ScheduleStore, namespace: str, limit: int, cursor: Cursor | None
) -> Page | None:
    """Return a page of the API server's list, or None if it cannot go on after *cursor*."""
    if cursor and not cursor.token:
        return None  # made by slice_page
    seen, token = (cursor.seen, cursor.token) if cursor else (0, "")
    try:
        page = await store.list_page(namespace, "", min(limit, PAGE_SIZE), token)
    except ApiError as error:
        if error.is_expired:
            return None
        raise
    seen += len(page.resources)
    following = None
    if page.continue_token:
        last = sort_key(page.resources[-1])
        following = Cursor(key=last, seen=seen, token=page.continue_token)
    return Page(page.resources, seen + page.remaining, following)


def slice_page(
    resources: Sequence[JSONObject], limit: int | None, offset: int, cursor: Cursor | None
) -> Page:
    """Return a page of *resources*, which are sorted by :func:`sort_key`. Pure."""
    start = sum(sort_key(r) <= cursor.key for r in resources) if cursor else offset
    end = start + limit if limit else len(resources)
    page = resources[start:end]
    following = Cursor(key=sort_key(page[-1])) if page and end < len(resources) else None
    return Page(page, len(resources), following)
