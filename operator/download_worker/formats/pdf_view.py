"""How much of a page is in view before it is printed. Pure.

Scripts load images when they come into view. So the view becomes as tall as the page, and where the
page is even taller, it is scrolled through.
"""

from collections.abc import Mapping
from typing import Any, Final

MAX_VIEW_PIXELS: Final = 16_384
"""Tallest view. What is in view is in memory: 50 MiB for 16,384 lines of 800 pixels."""
MAX_PAGE_PIXELS: Final = 8 * MAX_VIEW_PIXELS
"""Height of a page that is brought into view; a page may go on forever."""
QUIET_SECONDS: Final = 0.5
"""Time without a request after which nothing more is expected, as in Chromium's networkIdle."""

_BEGINNING: Final = "Network.requestWillBeSent"
_ENDS: Final = frozenset({"Network.loadingFinished", "Network.loadingFailed"})


class Requests:
    """The requests that are on their way.

    Attributes:
        pending: their identifiers.
    """

    def __init__(self) -> None:
        self.pending: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> bool:
        """Return whether an event is the beginning or the end of a request."""
        method = event.get("method")
        if method == _BEGINNING:
            self.pending.add(event["params"]["requestId"])
        elif method in _ENDS:
            self.pending.discard(event["params"]["requestId"])
        return method == _BEGINNING or method in _ENDS


def page_height(metrics: Mapping[str, Any]) -> int:
    """Return a page's height in CSS pixels from the result of Page.getLayoutMetrics."""
    return int(metrics["cssContentSize"]["height"])


def tall_view(metrics: Mapping[str, Any]) -> int | None:
    """Return the height of a view that shows the page; None if it is in view already."""
    height = page_height(metrics)
    if height <= metrics["cssLayoutViewport"]["clientHeight"]:
        return None
    return min(height, MAX_VIEW_PIXELS)


def scroll_positions(view: int, height: int) -> range:
    """Return where a page is scrolled to, so that each part of it is in view once.

    Its height may have changed with the view: many pages begin with an image as tall as the view.
    """
    return range(view, min(height, MAX_PAGE_PIXELS), view)
