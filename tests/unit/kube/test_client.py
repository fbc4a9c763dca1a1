"""What the client makes of answers that are not the API server's."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import kopf
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from download_kube.client import (
    JSON,
    MAX_LINE,
    UNREACHABLE,
    ApiError,
    KubeClient,
    OverlongLine,
    split_lines,
)
from download_kube.login import NoClusterError
from download_kube.reflector import Reflector
from download_operator.cache.objects import Schedule, schedule_of

Scene = Callable[[KubeClient], Awaitable[None]]
Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    async def respond(request: web.Request) -> web.Response:
        return answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def play(scene: Scene, answer: Answer) -> None:
    async def played() -> None:
        async with serving(answer) as server:
            client = KubeClient(lambda: kopf.ConnectionInfo(server=server))
            try:
                await scene(client)
            finally:
                await client.close()

    asyncio.run(played())


@pytest.mark.parametrize("body", ["<html>", '"bad gateway"', "null", "[]", ""])
def test_an_answer_that_is_no_object_is_none(body: str) -> None:
    async def scene(client: KubeClient) -> None:
        with pytest.raises(ApiError) as refused:
            await client.request("GET", "/refused")
        assert (refused.value.status, str(refused.value)) == (502, "the API server answered 502")
        with pytest.raises(UNREACHABLE, match="no JSON object"):
            await client.request("GET", "/taken")

    def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, status=502 if request.path == "/refused" else 200)

    play(scene, answer)


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


@given(st.binary(max_size=60).map(lambda text: text.replace(b"\r", b"\n")), st.data())
def test_lines_do_not_depend_on_how_they_arrive(text: bytes, data: st.DataObject) -> None:
    longest = 5
    places = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    cuts = [0, *data.draw(places), len(text)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise(cuts):
            yield text[start:end]

    async def read() -> list[bytes | OverlongLine]:
        return [line async for line in split_lines(chunks(), longest)]

    lines = text.split(b"\n")
    expected = [
        line if len(line) <= longest else OverlongLine(line[:longest])
        for line in (lines if lines[-1] else lines[:-1])
    ]
    assert asyncio.run(read()) == expected


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

    def project(manifest: JSON) -> Any:
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


def test_a_new_token_is_used_within_a_minute_and_never_told_to_another_server() -> None:
    heard: list[str] = []

    def answer(request: web.Request) -> web.Response:
        heard.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.Response(text="{}")

    async def played() -> None:
        async with serving(answer) as server:
            now = 0.0
            said: dict[float, kopf.ConnectionInfo | None] = {
                0: kopf.ConnectionInfo(server=server, token="first"),
                60: kopf.ConnectionInfo(server=server, token="second"),
                120: None,
                180: kopf.ConnectionInfo(server="http://127.0.0.1:1", token="another"),
                240: kopf.ConnectionInfo(server=server, token="third"),
            }

            def login() -> kopf.ConnectionInfo:
                account = said[now]
                if account is None:
                    raise NoClusterError
                return account

            client = KubeClient(login, clock=lambda: now)
            for later in (0, 59.9, 60, 120, 180, 240):
                now = later
                await client.request("GET", "/")
            await client.close()

    asyncio.run(played())
    assert heard == ["first", "first", "second", "second", "second", "third"]
