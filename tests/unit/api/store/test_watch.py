"""Watches as callers hear of them: where they begin, and where they break off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from download_api.store.watch import Feed


class Body:
    """What the API server sends."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Cluster:
    """Of revision 50."""

    def __init__(self, *lines: bytes) -> None:
        self._body = Body(*lines)
        self.watched_from = ""

    async def request(self, *_: Any, **__: Any) -> Any:
        return {"metadata": {"resourceVersion": "50"}}

    @asynccontextmanager
    async def stream(self, _: str, query: dict[str, str]) -> AsyncIterator[Body]:
        self.watched_from = query["resourceVersion"]
        yield self._body


def begun(cluster: Cluster, version: str) -> bytes:
    async def first_words() -> bytes:
        async with Feed(cluster).open("team", "", version) as opened:  # type: ignore[arg-type]
            return opened.begin

    return asyncio.run(first_words())


@pytest.mark.parametrize(
    ("seen", "start", "told"),
    [
        ("", "50", b"retry: 3000\n\nid: 50\n\n"),
        ("49", "49", b"retry: 3000\n\n"),
        ("50", "50", b"retry: 3000\n\n"),
        ("400", "50", b"retry: 3000\n\nid\nevent: reset\ndata: {}\n\nid: 50\n\n"),
    ],
)
def test_who_has_seen_a_future_that_the_cluster_lost_begins_anew(
    seen: str, start: str, told: bytes
) -> None:
    cluster = Cluster()
    assert begun(cluster, seen) == told
    assert cluster.watched_from == start


@pytest.mark.parametrize("line", [b'{"type": "ADD', b"<html>\n"])
def test_a_line_that_is_no_event_is_one_that_broke_off(line: bytes) -> None:
    async def read() -> None:
        cluster: Any = Cluster(line)
        async with Feed(cluster).open("team", "", "") as opened:
            with pytest.raises(ValueError, match="line 1"):
                await opened.read()
            assert not await opened.read()

    asyncio.run(read())
