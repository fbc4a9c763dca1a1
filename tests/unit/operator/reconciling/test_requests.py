"""What a failed request means, and that nothing is written without the Lease."""

import asyncio
from collections.abc import Callable
from typing import Any

import kopf
import msgspec
import pytest
from aiohttp import web

from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.lease import Lease, LeaseLostError
from download_operator.reconciling import requests as requests_module
from download_operator.reconciling.requests import Accepted, Outcome, Rejected, Requests, Stale
from tests.support.odd_server import run_with_client, serve


class HeldLease(Lease):
    """A Lease that nobody else can hold."""

    def check(self) -> None:
        """Return at once."""


def outcome_of(status: int, message: str = "") -> Outcome:
    """Return the outcome of a write to which the API server responds like this."""
    outcomes: list[Outcome] = []

    async def test(client: KubeClient) -> None:
        requests = Requests(client, HeldLease(client, "default", "me"))
        outcomes.append(await requests.write("PUT", "/things/a", {}))

    def respond(_: web.Request) -> web.Response:
        return web.json_response({"message": message, "reason": "Because"}, status=status)

    run_with_client(test, respond)
    return outcomes[0]


def test_successful_write_returns_the_response() -> None:
    assert outcome_of(200) == Accepted({"message": "", "reason": "Because"})


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "", Stale),
        (409, "", Stale),
        (400, "", Rejected),
        (403, "exceeded quota", Rejected),
        (413, "refused by a policy", Rejected),
        (422, "", Rejected),
        (500, "failed calling webhook", Rejected),
    ],
)
def test_failure_says_whether_our_view_is_stale_or_the_request_was_rejected(
    status: int, message: str, kind: type[Any]
) -> None:
    outcome = outcome_of(status, message)

    assert isinstance(outcome, kind)
    assert outcome.error.status == status


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_failure_that_may_go_away_by_itself_is_raised(status: int) -> None:
    with pytest.raises(ApiError):
        outcome_of(status)


def listed(respond: Callable[[web.Request], web.Response]) -> list[bytes]:
    """Return what a list by label yields of objects that are JSON texts without a ``5``."""

    def decode(text: msgspec.Raw) -> bytes:
        if b"5" in bytes(text):
            raise ValueError
        return bytes(text)

    objects: list[bytes] = []

    async def read(client: KubeClient) -> None:
        requests = Requests(client, Lease(client, "default", "me"))
        objects.extend([obj async for obj in requests.list_by_label("/pods", "x", "y", decode)])

    run_with_client(read, respond)
    return objects


def page(request: web.Request) -> web.Response:
    """Return one object, and where the next one is."""
    number = int(request.query.get("continue", "0"))
    following = str(number + 1) if number < 9 else ""
    metadata = {"resourceVersion": "1", "continue": following}
    assert request.query["labelSelector"] == "x=y"
    return web.json_response({"metadata": metadata, "items": [number]})


def test_list_is_read_by_pages_without_what_cannot_be_read() -> None:
    assert listed(page) == [b"%d" % number for number in range(10) if number != 5]


def test_list_is_cut_where_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "MAX_LIST_BYTES", 200)
    assert listed(page) == [b"0", b"1", b"2"]


def test_nothing_is_sent_without_the_lease() -> None:
    sent: list[str] = []

    def respond(request: web.Request) -> web.Response:
        sent.append(request.method)
        return web.json_response({})

    async def run() -> None:
        async with serve(respond) as server:
            account = kopf.ConnectionInfo(server=server)
            client = KubeClient(lambda: account, "test", timeout_seconds=30)
            requests = Requests(client, Lease(client, "default", "me"))
            try:
                with pytest.raises(LeaseLostError):
                    await requests.write("PUT", "/things/a", {})
                assert await requests.read("/things/a") == Accepted({})
            finally:
                await client.close()

    asyncio.run(run())
    assert sent == ["GET"]
