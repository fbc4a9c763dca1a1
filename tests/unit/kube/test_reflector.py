"""What a reflector makes of watches and objects that are not as they should be."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from download_kube.client import KubeClient
from download_kube.lines import MAX_LINE
from download_kube.reflector import Reflector
from download_operator.cache.objects import Schedule, schedule_of
from download_schedule.types import JSONObject
from tests.support.odd_server import play


@pytest.mark.parametrize("event", ["[]", '{"type": "ERROR", "object": null}', '{"type": "ADDED"}'])
def test_a_watch_outlives_what_is_no_event(event: str) -> None:
    async def scene(client: KubeClient) -> None:
        def ignore(_: Schedule) -> None: ...

        mirror = Reflector(client, "/things", "", schedule_of, ignore, ignore, tuple)
        running = asyncio.create_task(mirror.run())
        async with asyncio.timeout(30):
            while mirror.failures < 2 and not running.done():
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def answer(request: web.Request) -> web.Response:
        listed = '{"items": [], "metadata": {"resourceVersion": "1"}}'
        return web.Response(text=f"{event}\n" if "watch" in request.query else listed)

    play(scene, answer)


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
def test_one_object_does_not_keep_a_watch_from_the_others(broken: str, skipped: int) -> None:
    good = '{"metadata": {"name": "good", "namespace": "n", "uid": "g", "resourceVersion": "3"}}'
    seen: list[str] = []
    asked: list[str] = []

    def project(manifest: JSONObject) -> Any:
        if "spec" in manifest:
            raise RuntimeError("no such thing")
        return SimpleNamespace(uid="", resource_version=1, name=manifest["metadata"]["name"])

    async def scene(client: KubeClient) -> None:
        mirror: Reflector[Any] = Reflector(
            client, "/things", "", project, lambda thing: seen.append(thing.name), print, tuple
        )
        running = asyncio.create_task(mirror.run())
        async with asyncio.timeout(30):
            while len(asked) < 2:
                await asyncio.sleep(0.01)
        assert seen.count("good") >= 2
        assert (mirror.failures, mirror.skipped) == (0, skipped)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def answer(request: web.Request) -> web.Response:
        if "watch" not in request.query:
            items = f"[{broken}, {good}]"
            return web.Response(
                text=f'{{"items": {items}, "metadata": {{"resourceVersion": "1"}}}}'
            )
        asked.append(request.query["resourceVersion"])
        events = [f'{{"type":"ADDED","object":{thing}}}\n' for thing in (broken, good)]
        return web.Response(text="".join(events if len(asked) == 1 else []))

    play(scene, answer)
    assert asked == ["1", "3"]


def test_a_resource_that_was_not_there_at_first_is_watched_without_a_long_pause() -> None:
    """The API server ends watches of a resource that it has just got."""
    asked: list[float] = []

    async def scene(client: KubeClient) -> None:
        def ignore(_: Schedule) -> None: ...

        mirror = Reflector(client, "/things", "", schedule_of, ignore, ignore, tuple)
        running = asyncio.create_task(mirror.run())
        async with asyncio.timeout(60):
            while len(asked) < 2:
                await asyncio.sleep(0.01)
        assert mirror.failures == 4
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    refusals = iter([404] * 4)

    def answer(request: web.Request) -> web.Response:
        if "watch" in request.query:
            asked.append(time.monotonic())
            return web.Response()
        listed = '{"items": [], "metadata": {"resourceVersion": "1"}}'
        return web.Response(text=listed, status=next(refusals, 200))

    play(scene, answer)
    assert asked[1] - asked[0] < 1.5
