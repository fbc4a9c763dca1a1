"""What a reflector makes of watches and objects that are not as they should be."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from download_kube.client import KubeClient
from download_kube.lines import MAX_LINE
from download_kube.reflector import Reflector
from download_schedule.types import JSONObject
from tests.support.odd_server import run_with_client

EMPTY_LIST = '{"items": [], "metadata": {"resourceVersion": "1"}}'


def parse(manifest: JSONObject) -> Any:
    if "spec" in manifest:
        raise RuntimeError("no such thing")
    return SimpleNamespace(uid="", resource_version=1, name=manifest["metadata"]["name"])


def reflector(client: KubeClient, put: Callable[[Any], None] = lambda _: None) -> Reflector[Any]:
    return Reflector(client, "/things", "", parse, put, put, tuple)


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
        await run_until(mirror, lambda: mirror.failures >= 2)

    def respond(request: web.Request) -> web.Response:
        return web.Response(text=f"{line}\n" if "watch" in request.query else EMPTY_LIST)

    run_with_client(test, respond)


@pytest.mark.parametrize(
    ("broken", "skipped"),
    [
        ('{"metadata": {"name": "other", "uid": "u", "resourceVersion": "2"}, "spec": 7}', 2),
        (
            '{"kind":"Thing","metadata":{"name":"fat","namespace":"n","uid":"u",'
            '"resourceVersion":"2","labels":{"l":"' + "<" * (MAX_LINE + 1) + '"}}}',
            1,  # a list is read as a whole, whatever its size
        ),
    ],
    ids=["unreadable", "overlong"],
)
def test_one_bad_object_does_not_keep_a_watch_from_the_others(broken: str, skipped: int) -> None:
    good = '{"metadata": {"name": "good", "namespace": "n", "uid": "g", "resourceVersion": "3"}}'
    names: list[str] = []
    watched_from: list[str] = []

    async def test(client: KubeClient) -> None:
        mirror = reflector(client, lambda thing: names.append(thing.name))
        await run_until(mirror, lambda: len(watched_from) >= 2)
        assert names.count("good") >= 2
        assert (mirror.failures, mirror.skipped) == (0, skipped)

    def respond(request: web.Request) -> web.Response:
        if "watch" not in request.query:
            metadata = '{"resourceVersion": "1"}'
            return web.Response(text=f'{{"items": [{broken}, {good}], "metadata": {metadata}}}')
        watched_from.append(request.query["resourceVersion"])
        events = [f'{{"type":"ADDED","object":{thing}}}\n' for thing in (broken, good)]
        return web.Response(text="".join(events if len(watched_from) == 1 else []))

    run_with_client(test, respond)
    assert watched_from == ["1", "3"]


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
