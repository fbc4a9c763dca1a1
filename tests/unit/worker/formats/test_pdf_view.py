"""How much of a page is in view before it is printed."""

from typing import Any

import pytest

from download_worker.formats.pdf_view import (
    MAX_PAGE_PIXELS,
    MAX_VIEW_PIXELS,
    Requests,
    scroll_positions,
    tall_view,
)


def metrics(height: float) -> dict[str, Any]:
    return {"cssContentSize": {"height": height}, "cssLayoutViewport": {"clientHeight": 600}}


@pytest.mark.parametrize(
    ("height", "view"),
    [
        (0, None),
        (600, None),
        (601, 601),
        (MAX_VIEW_PIXELS, MAX_VIEW_PIXELS),
        (MAX_VIEW_PIXELS + 1, MAX_VIEW_PIXELS),
    ],
)
def test_view_is_as_tall_as_the_page_within_a_limit(height: int, view: int | None) -> None:
    assert tall_view(metrics(height)) == view


@pytest.mark.parametrize("height", [1, 1000, 1001, 5000, MAX_PAGE_PIXELS, MAX_PAGE_PIXELS + 1])
def test_every_line_of_a_page_is_in_view_once(height: int) -> None:
    in_view = {
        line for top in (0, *scroll_positions(1000, height)) for line in range(top, top + 1000)
    }
    assert set(range(min(height, MAX_PAGE_PIXELS))) <= in_view


def test_endless_page_is_scrolled_eight_times_at_most() -> None:
    assert len(scroll_positions(MAX_VIEW_PIXELS, 10**9)) == 7


def event(name: str, request: str = "1") -> dict[str, Any]:
    return {"method": f"Network.{name}", "params": {"requestId": request}}


def test_request_is_pending_from_its_beginning_to_its_end() -> None:
    requests = Requests()
    assert requests.take(event("requestWillBeSent"))
    assert requests.take(event("requestWillBeSent"))  # once more, after a redirect
    assert requests.take(event("requestWillBeSent", "2"))
    assert requests.pending == {"1", "2"}
    assert requests.take(event("loadingFinished"))
    assert requests.take(event("loadingFailed", "2"))
    assert requests.pending == set()


def test_end_of_an_earlier_request_changes_nothing() -> None:
    requests = Requests()
    assert requests.take(event("loadingFinished", "9"))
    assert requests.pending == set()


@pytest.mark.parametrize("other", [event("dataReceived"), {"id": 3, "result": {}}])
def test_other_events_are_none_of_a_request(other: dict[str, Any]) -> None:
    assert not Requests().take(other)
