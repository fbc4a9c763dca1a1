"""Pages of bounded size, whatever their objects are like."""

import json
from typing import Any

import pytest
from aiohttp import web

from download_kube import pages
from download_kube.client import KubeClient
from download_kube.errors import UnreachableError
from download_kube.pages import Page, next_limit, read_page, read_pages, read_version
from tests.support.odd_server import run_with_client

SMALL, LARGE = 100, 3_000
SERVER_VERSION = "9"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 10_000)
    monkeypatch.setattr(pages, "USUAL_PAGE_BYTES", 5_000)
    monkeypatch.setattr(pages, "_EDGE_BYTES", 500)


class Collection:
    """A collection of objects of these sizes, served as the API server does."""

    def __init__(self, *sizes: int, is_custom: bool = False) -> None:
        self.sizes = sizes
        self.is_custom = is_custom
        self.limits: list[int] = []

    def respond(self, request: web.Request) -> web.Response:
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        self.limits.append(limit)
        end = start + limit
        items = [self._object(n) for n in range(start, min(end, len(self.sizes)))]
        metadata: dict[str, Any] = {"resourceVersion": SERVER_VERSION}
        if end < len(self.sizes):
            metadata |= {"continue": str(end), "remainingItemCount": len(self.sizes) - end}
        document: dict[str, Any] = {
            "kind": "ThingList",
            "apiVersion": "v1",
            "metadata": metadata,
            "items": items,
        }
        text = json.dumps(document, separators=(",", ":"), sort_keys=self.is_custom)
        return web.Response(text=text + "\n")

    def _object(self, number: int) -> dict[str, Any]:
        metadata = {
            "name": f"t{number}",
            "namespace": "n",
            "resourceVersion": "1",
            "uid": f"u{number}",
        }
        if not self.is_custom:
            metadata["resourceVersion"] = metadata.pop("resourceVersion")
        return {"metadata": metadata, "spec": {"text": "x" * self.sizes[number]}}

    def read(self) -> list[Page]:
        """Read all pages."""
        read: list[Page] = []

        async def test(client: KubeClient) -> None:
            read.extend([page async for page in read_pages(client, "/things", {})])

        run_with_client(test, self.respond)
        return read


def names(page: Page) -> list[str]:
    return [json.loads(bytes(item))["metadata"]["name"] for item in page.items]


@pytest.mark.parametrize("is_custom", [False, True], ids=["typed", "custom"])
@pytest.mark.parametrize(
    "sizes",
    [[], [SMALL] * 150, [SMALL] * 30 + [LARGE] * 10 + [SMALL] * 200, [9_000] * 5],
    ids=["none", "small", "mixed", "large"],
)
def test_every_object_is_on_one_page(sizes: list[int], is_custom: bool) -> None:
    read = Collection(*sizes, is_custom=is_custom).read()

    assert [name for page in read for name in names(page)] == [f"t{n}" for n in range(len(sizes))]
    assert all(page.bytes <= pages.MAX_PAGE_BYTES for page in read)
    assert {page.version for page in read} == {SERVER_VERSION}


@pytest.mark.parametrize("is_custom", [False, True], ids=["typed", "custom"])
def test_object_that_is_larger_than_a_page_is_skipped_and_named(is_custom: bool) -> None:
    read = Collection(SMALL, 20_000, SMALL, is_custom=is_custom).read()

    assert [name for page in read for name in names(page)] == ["t0", "t2"]
    (skipped,) = [page.skipped for page in read if page.skipped]
    if not is_custom:
        assert (skipped.name, skipped.uid) == ("t1", "u1")


def test_pages_grow_again_after_large_objects() -> None:
    collection = Collection(*[LARGE] * 12, *[SMALL] * 300)
    collection.read()

    assert min(collection.limits) < 3
    assert collection.limits[-1] > 10
    assert len(collection.limits) < 40


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(100, 5_000, 100), (100, 50, 500), (1, 9_000, 1), (0, 100, 50), (10, 5_000, 10)],
)
def test_next_page_has_the_usual_size(count: int, size: int, expected: int) -> None:
    page = Page([b"{}"] * count, "1", "", 0, size)  # type: ignore[list-item]  # only counted
    assert next_limit(page) == expected


def test_what_is_not_a_list_is_an_error() -> None:
    async def test(client: KubeClient) -> None:
        with pytest.raises(UnreachableError, match="not a list"):
            await read_page(client, "/things", {}, limit=50)

    run_with_client(test, lambda _: web.Response(text="<html>"))


def test_version_is_read_without_objects() -> None:
    """The whole object could be nested more deeply than any parser reads."""
    versions: list[str] = []

    def respond(request: web.Request) -> web.Response:
        assert ";as=Table;" in request.headers["Accept"]
        assert request.query["includeObject"] == "None"
        return web.json_response({"kind": "Table", "metadata": {"resourceVersion": "9"}})

    async def test(client: KubeClient) -> None:
        versions.append(await read_version(client, "/things"))

    run_with_client(test, respond)
    assert versions == ["9"]
