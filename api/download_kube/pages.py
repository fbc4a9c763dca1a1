"""Read collections page by page, and never more than a bounded number of bytes at once.

Objects can be of any size up to 9 MB, see :mod:`download_kube.lines`, so that a page of a fixed
number of them can be of any size. A page that is too large is asked for again with fewer objects.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from download_kube.client import JSON_TYPE, TABLE_TYPE, KubeClient
from download_kube.errors import UnreachableError
from download_kube.identity import Identity, find_list_metadata, identify
from download_kube.lines import MAX_LINE

MAX_PAGE_BYTES: Final = MAX_LINE
"""Largest page that is read. A single object that is larger is skipped."""
USUAL_PAGE_BYTES: Final = 2 * 1024**2
"""How large pages become when their objects are of even size."""
FIRST_PAGE_SIZE: Final = 100
"""Objects on the first page, while nothing is known of their size."""
MAX_PAGE_SIZE: Final = 500
"""Objects on a page of small ones."""
SHRINKING: Final = 10
"""By how much a page that was too large is reduced."""
IDLE_TIMEOUT_SECONDS: Final = 30.0
_EDGE_BYTES: Final = 64 * 1024
"""How much is kept of both ends of a page with a single object that is too large."""


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remaining_item_count: int = 0


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None  # an empty list of metadata is null


_decode_list: Final = msgspec.json.Decoder(_List).decode
_decode_list_metadata: Final = msgspec.json.Decoder(_ListMetadata).decode


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a collection."""

    items: Sequence[msgspec.Raw]
    """Its objects in JSON, to be parsed one by one."""
    version: str
    """Resource version of the collection."""
    continue_token: str
    """Leads to the next page; empty on the last one."""
    remaining: int
    """Objects on later pages. The API server does not count them if labels select them."""
    bytes: int
    skipped: Identity | None = None
    """An object that should have been the only one on the page, but cannot be read."""


async def read_pages(
    client: KubeClient, path: str, query: Mapping[str, str], accept: str = JSON_TYPE
) -> AsyncIterator[Page]:
    """Yield all pages of a collection.

    Args:
        client: connection to the API server.
        path: of the collection.
        query: such as a label selector.
        accept: media type of the response.

    Raises:
        ApiError, UnreachableError: a page could not be read.
    """
    limit, token = FIRST_PAGE_SIZE, ""
    while True:
        page = await read_page(client, path, query, limit, token, accept)
        token, limit = page.continue_token, next_limit(page)
        yield page
        del page  # or it would be in memory together with the next one
        if not token:
            return


def next_limit(page: Page) -> int:
    """Return how many objects to ask for after *page*."""
    usual = USUAL_PAGE_BYTES * max(len(page.items), 1) // max(page.bytes, 1)
    return min(max(usual, 1), MAX_PAGE_SIZE)


async def read_page(
    client: KubeClient,
    path: str,
    query: Mapping[str, str],
    limit: int,
    continue_token: str = "",
    accept: str = JSON_TYPE,
) -> Page:
    """Return a page of at most *limit* objects, of fewer if they are large.

    Raises:
        ApiError, UnreachableError: the page could not be read.
    """
    while True:
        parameters = {**query, "limit": str(limit)}
        if continue_token:
            parameters["continue"] = continue_token
        async with client.large_reads:
            body = await _read(client, path, parameters, accept)
        page = body.parse()
        if page is None and limit == 1:
            page = body.without_object()
        if page is not None:
            return page
        if limit == 1:
            raise UnreachableError("the response is not a list of Kubernetes objects")
        del body
        limit = max(limit // SHRINKING, 1)


async def read_version(client: KubeClient, path: str) -> str:
    """Return the resource version of a collection, without reading any of its objects.

    Even a page of one object would be as large and as deep as a stranger made that object. A table
    without objects has only the columns of one.

    Raises:
        ApiError, UnreachableError: the version could not be read.
    """
    query = {"limit": "1", "includeObject": "None"}
    response = await client.request("GET", path, query=query, accept=TABLE_TYPE)
    version: str = response["metadata"]["resourceVersion"]
    return version


@dataclass(frozen=True, slots=True)
class _Body:
    """A response's body or, of one that is too large, its two ends."""

    beginning: bytearray
    end: bytearray
    size: int

    def parse(self) -> Page | None:
        """Return the page, or None if it is too large or the parser cannot cope with it."""
        if self.size > MAX_PAGE_BYTES:
            return None
        try:
            document = _decode_list(self.beginning)
        except (ValueError, RecursionError):
            return None
        return _page(document.metadata, document.items or (), self.size)

    def without_object(self) -> Page | None:
        """Return the page without its only object, or None if this is not a page."""
        end = self.end or self.beginning[-_EDGE_BYTES:]
        metadata = find_list_metadata(self.beginning, end)
        if metadata is None:
            return None
        items_at = max(self.beginning.find(b'"items":['), 0)
        skipped = identify(self.beginning[items_at:])
        return _page(_decode_list_metadata(metadata), (), self.size, skipped)


async def _read(client: KubeClient, path: str, query: Mapping[str, str], accept: str) -> _Body:
    """Read a response. Only if it is of one object it is read to its end, whatever its size."""
    body, end, size = bytearray(), bytearray(), 0
    async with client.stream(path, query, accept, IDLE_TIMEOUT_SECONDS) as stream:
        async for chunk in stream.iter_any():
            size += len(chunk)
            if not end:
                body += chunk
            if size <= MAX_PAGE_BYTES:
                continue
            if query["limit"] != "1":
                break
            end = end + chunk if end else body[-_EDGE_BYTES:]
            del body[_EDGE_BYTES:], end[:-_EDGE_BYTES]
    return _Body(body, end, size)


def _page(
    metadata: _ListMetadata,
    items: Sequence[msgspec.Raw],
    size: int,
    skipped: Identity | None = None,
) -> Page:
    return Page(
        items,
        metadata.resource_version,
        metadata.continue_,
        metadata.remaining_item_count,
        size,
        skipped,
    )
