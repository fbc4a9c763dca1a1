"""Watches as callers get them: where they start, and how they break off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from download_api.store.watch import MAX_EVENT, RESET, ScheduleWatcher, to_server_sent_event
from tests.support.api_objects import resource

BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}
BOOKMARK_LINE = b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}\n'


class FakeBody:
    """The body of a response."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class FakeClient:
    """A client of an API server whose newest resource version is 50."""

    def __init__(self, *lines: bytes) -> None:
        self._body = FakeBody(*lines)
        self.watched_from = ""
        self.large_reads = asyncio.Semaphore()

    async def request(self, *_: Any, **__: Any) -> Any:
        return {"metadata": {"resourceVersion": "50"}}

    @asynccontextmanager
    async def stream(self, _: str, query: dict[str, str]) -> AsyncIterator[FakeBody]:
        self.watched_from = query["resourceVersion"]
        yield self._body


@pytest.mark.parametrize(
    ("last_event_id", "watched_from", "preamble"),
    [
        ("", "50", b"retry: 3000\n\nid: 50\n\n"),
        ("49", "49", b"retry: 3000\n\n"),
        ("50", "50", b"retry: 3000\n\n"),
        ("400", "50", b"retry: 3000\n\nid\nevent: reset\ndata: {}\n\nid: 50\n\n"),
    ],
    ids=["new", "behind", "current", "ahead of a restored cluster"],
)
def test_watch_starts_after_the_last_event_or_is_reset(
    last_event_id: str, watched_from: str, preamble: bytes
) -> None:
    client: Any = FakeClient()

    async def open_watch() -> bytes:
        async with ScheduleWatcher(client).open("team", "", last_event_id) as watch:
            return watch.preamble

    assert asyncio.run(open_watch()) == preamble
    assert client.watched_from == watched_from


@pytest.mark.parametrize("line", [b'{"type": "ADD', b"<html>\n"])
def test_line_that_is_not_an_event_is_an_error(line: bytes) -> None:
    client: Any = FakeClient(line)

    async def read() -> None:
        async with ScheduleWatcher(client).open("team", "", "") as watch:
            with pytest.raises(ValueError, match=r"truncated|malformed"):
                await watch.read()
            assert not await watch.read()

    asyncio.run(read())


@pytest.mark.parametrize(
    "line",
    [b"x" * (MAX_EVENT + 1) + b"\n", b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n"],
    ids=["overlong", "nested"],
)
def test_event_that_cannot_be_read_is_a_reset(line: bytes) -> None:
    client: Any = FakeClient(line, BOOKMARK_LINE)

    async def read() -> None:
        async with ScheduleWatcher(client).open("team", "", "") as watch:
            assert to_server_sent_event(await watch.read(), NOW) == RESET
            assert await watch.read() == BOOKMARK

    asyncio.run(read())


def test_event_has_nothing_but_what_is_shown() -> None:
    """Callers may read slowly, and what their tenants wrote into the rest may be large."""
    stored = resource()
    stored["metadata"] |= {"managedFields": [{}], "finalizers": ["x/y"], "labels": {"a": "b"}}
    stored["metadata"]["annotations"]["a"] = "b"
    line = json.dumps({"type": "ADDED", "object": stored}).encode() + b"\n"
    client: Any = FakeClient(line)

    async def read() -> Any:
        async with ScheduleWatcher(client).open("team", "", "") as watch:
            return await watch.read()

    event = asyncio.run(read())
    assert to_server_sent_event(event, NOW) == to_server_sent_event(
        {"type": "ADDED", "object": stored}, NOW
    )
    assert not event["object"]["metadata"].keys() & {"managedFields", "finalizers", "labels"}
    assert "a" not in event["object"]["metadata"]["annotations"]


NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event_type", "name"),
    [("ADDED", b"created"), ("MODIFIED", b"changed"), ("DELETED", b"deleted")],
)
def test_change_is_an_event_with_the_schedule(event_type: str, name: bytes) -> None:
    sent = to_server_sent_event({"type": event_type, "object": resource()}, NOW)
    assert sent.startswith(b"id: 1\nevent: " + name + b'\ndata: {"')
    assert b'"id":"team.report"' in sent


def test_bookmark_only_moves_the_id() -> None:
    assert to_server_sent_event(BOOKMARK, NOW) == b"id: 7\n\n"


def test_error_of_the_api_server_is_a_reset() -> None:
    assert to_server_sent_event({"type": "ERROR", "object": {"code": 410}}, NOW) == RESET
