"""Pages of schedules: those that the caller may list, and wants."""

from dataclasses import dataclass
from typing import Any, Final

from download_api.auth.access import Access
from download_api.schema.from_resource import last_status
from download_api.schema.paging import Cursor
from download_api.store.schedules import PAGE, Schedules, place
from download_kube.client import ApiError

JSON = dict[str, Any]

EXPIRED: Final = 410


@dataclass(frozen=True)
class Wanted:
    """Which schedules somebody wants to see; None, or empty: it does not matter."""

    namespace: str = ""
    labels: str = ""
    last_status: str | None = None
    enabled: bool | None = None

    @property
    def looks_inside(self) -> bool:
        """Whether the API server alone cannot say which ones, or how many."""
        return bool(self.labels or self.last_status) or self.enabled is not None

    def includes(self, resource: JSON) -> bool:
        """Whether a schedule of that namespace and with those labels is one of them."""
        enabled = not resource["spec"].get("suspend", False)
        return self.last_status in (None, last_status(resource)) and self.enabled in (None, enabled)


@dataclass(frozen=True)
class Page:
    """Some schedules in order, how many there are in all, and where the next ones are."""

    resources: list[JSON]
    total: int
    next: Cursor | None = None


async def page(
    schedules: Schedules,
    access: Access,
    wanted: Wanted,
    limit: int | None,
    offset: int,
    cursor: Cursor | None,
) -> Page:
    """Return the schedules after *offset* or *cursor*, at most *limit*.

    The API server pages by itself where it can say which schedules these are: then a page costs
    the same however many there are. Everything else is picked from all of them.

    Raises:
        ApiError, UnreachableError: the API server could not say.
    """
    everything = await access.to_list(wanted.namespace) or (
        bool(wanted.namespace) and await access.to_list()
    )
    if limit and everything and not offset and not wanted.looks_inside:
        try:
            return await _served(schedules, wanted, limit, cursor)
        except ApiError as error:
            if error.status != EXPIRED:
                raise
    found = await schedules.all(wanted.namespace, wanted.labels)
    visible = found if everything else await access.listable(found)
    return picked([item for item in visible if wanted.includes(item)], limit, offset, cursor)


async def _served(schedules: Schedules, wanted: Wanted, limit: int, cursor: Cursor | None) -> Page:
    seen, token = (cursor.seen, cursor.token) if cursor else (0, "")
    if cursor and not token:
        raise ApiError(EXPIRED, "Expired", "the cursor is of another kind of page")
    items, token, left = await schedules.some(wanted.namespace, "", min(limit, PAGE), token)
    seen += len(items)
    after = Cursor(key=place(items[-1]), seen=seen, token=token) if token else None
    return Page(items, seen + left, after)


def picked(resources: list[JSON], limit: int | None, offset: int, cursor: Cursor | None) -> Page:
    """Return a page of *resources*, which are in the order of :func:`place`."""
    start = offset
    if cursor:
        start = sum(place(resource) <= cursor.key for resource in resources)
    end = start + limit if limit else len(resources)
    shown = resources[start:end]
    more = shown and end < len(resources)
    return Page(shown, len(resources), Cursor(key=place(shown[-1])) if more else None)
