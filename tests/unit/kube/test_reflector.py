"""What a reflector makes of watches and objects that are not as they should be."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pytest
from aiohttp import web

from download_kube.client import KubeClient
from download_kube.lines import MAX_LINE
from download_kube.reflector import Reflector
from tests.support.odd_server import run_with_client

EMPTY_LIST = '{"items": [], "metadata": {"resourceVersion": "1"}}'
TOO_DEEP: Final = 5000
"""Levels of nesting that the API server accepts and Python's parsers do not."""


@dataclass(frozen=True)
class Thing:
    """An object whose spec nobody can read."""

    name: str
    namespace: str
    uid: str
    resource_version: int


def decode(text: msgspec.Raw) -> Thing:
    manifest = json.loads(bytes(text))
    if "spec" in manifest:
        raise RuntimeError("no such thing")
    metadata = manifest["metadata"]
    return Thing(
        metadata["name"], metadata["namespace"], metadata["uid"], int(metadata["resourceVersion"])
    )


def reflector(
    client: KubeClient,
    put: Callable[[Any], None] = lambda _: None,
    remove: Callable[[Any], None] = lambda _: None,
    cached: Callable[[], list[Thing]] = list,
) -> Reflector[Any]:
    return Reflector(client, "/things", "", decode, put, remove, cached)


def thing(name: str, version: int, metadata: str = "", rest: str = "") -> str:
    """Return an object as Go writes it."""
    return (
        f'{{"kind":"Thing","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"n",'
        f'"uid":"{name}","resourceVersion":"{version}"{metadata}}}{rest}}}'
    )


UNREADABLE: Final = thing("bad", 2, rest=',"spec":7')
OVERLONG: Final = thing("bad", 2, ',"labels":{"l":"' + "<" * (MAX_LINE + 1) + '"}')
NESTED: Final = thing("bad", 2, ',"managedFields":' + '{"f:a":' * TOO_DEEP + "{}" + "}" * TOO_DEEP)


async def run_until(mirror: Reflector[Any], condition: Callable[[], bool]) -> None:
    running = asyncio.create_task(mirror.run())
    async with asyncio.timeout(60):
        while not condition() and not running.done():
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("line", ["[]", '{"type": "ERROR", "object": null}', '{"type": "ADDED"}'])
def test_watch_survives_a_line_that_is_not_an_event(line: str) -> None:
    async def test(client: KubeClient) -> None:
        mirror = reflector(client)
        await run_until(mirror, lambda: mirror.skipped >= 2)

    def respond(request: web.Request) -> web.Response:
        return web.Response(text=f"{line}\n" if "watch" in request.query else EMPTY_LIST)

    run_with_client(test, respond)


@pytest.mark.parametrize(
    "bad", [UNREADABLE, OVERLONG, NESTED], ids=["unreadable", "overlong", "nested"]
)
def test_one_bad_object_does_not_keep_a_watch_from_the_others(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is listed, skipped, seen in the watch, skipped, and listed again."""
    objects = [thing("first", 1), bad, thing("last", 3)]
    names: list[str] = []
    lists: list[int] = []

    async def test(client: KubeClient) -> None:
        mirror = reflector(client, lambda thing: names.append(thing.name))
        await run_until(mirror, lambda: len(lists) >= 2 and names.count("last") >= 3)
        assert mirror.failures == 0
        assert mirror.skipped >= 2

    def respond(request: web.Request) -> web.Response:
        if "watch" in request.query:
            assert request.query["resourceVersion"] == "1"
            events = [f'{{"type":"ADDED","object":{text}}}\n' for text in objects]
            return web.Response(text="".join(events))
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        if start == 0 and limit > 1:
            lists.append(limit)
        end = start + limit
        token = f',"continue":"{end}"' if end < len(objects) else ""
        metadata = f'{{"resourceVersion":"1"{token}}}'
        items = ",".join(objects[start:end])
        kind = '"kind":"ThingList","apiVersion":"v1"'
        return web.Response(text=f'{{{kind},"metadata":{metadata},"items":[{items}]}}\n')

    run_with_client(test, respond)
    assert set(names) == {"first", "last"}
    assert "cannot read n/bad, skipping it" in caplog.text


def test_object_whose_deletion_could_not_be_read_leaves_with_the_next_list() -> None:
    cached = [Thing("bad", "n", "bad", 1)]
    removed: list[str] = []

    async def test(client: KubeClient) -> None:
        mirror = reflector(
            client, remove=lambda thing: removed.append(thing.uid), cached=lambda: cached
        )
        await run_until(mirror, lambda: bool(removed))

    def respond(request: web.Request) -> web.Response:
        if "watch" in request.query:
            return web.Response(text=f'{{"type":"DELETED","object":{NESTED}}}\n')
        items = thing("bad", 1) if not removed and not seen else ""
        seen.append(items)
        return web.Response(text=f'{{"items":[{items}],"metadata":{{"resourceVersion":"3"}}}}')

    seen: list[str] = []
    run_with_client(test, respond)
    assert set(removed) == {"bad"}


def test_resource_that_did_not_exist_at_first_is_watched_without_a_long_pause() -> None:
    """The API server ends watches of a resource that was just defined."""
    watched_at: list[float] = []
    statuses = iter([404] * 4)

    async def test(client: KubeClient) -> None:
        mirror = reflector(client)
        await run_until(mirror, lambda: len(watched_at) >= 2)
        assert mirror.failures == 4

    def respond(request: web.Request) -> web.Response:
        if "watch" in request.query:
            watched_at.append(time.monotonic())
            return web.Response()
        return web.Response(text=EMPTY_LIST, status=next(statuses, 200))

    run_with_client(test, respond)
    assert watched_at[1] - watched_at[0] < 1.5
