"""How a page comes to be shown, as a pure machine: DevTools events in, orders out."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from download_worker.formats.html_page import Document
from download_worker.http.redirects import STATUSES

WEB: Final = frozenset({"http", "https"})

Order = tuple[str, dict[str, Any]]


class Navigation:
    """The main frame's way from nothing to a page at rest.

    Attributes:
        shown: whether there is a page.
        settled: whether it is loaded and asks for nothing more.
        failure: address and status (0: none came) of a document that could not be shown.
    """

    def __init__(self, document: Document, main_frame: str) -> None:
        self.shown = False
        self.settled = False
        self.failure: tuple[str, int] | None = None
        self._document = document
        self._main_frame = main_frame
        self._handed_over = False
        self._reached: set[str] = set()

    def preparations(self) -> Iterator[Order]:
        """Yield what to order before the first navigation."""
        if self._document.user_agent is not None:
            yield "Emulation.setUserAgentOverride", {"userAgent": self._document.user_agent}
        yield "Page.enable", {}
        yield "Page.setLifecycleEventsEnabled", {"enabled": True}
        stages = [{"resourceType": "Document", "requestStage": s} for s in ("Request", "Response")]
        yield "Fetch.enable", {"patterns": stages}

    def react(self, event: Mapping[str, Any]) -> Iterator[Order]:
        """Take an event and yield what to order in return."""
        match event:
            case {"method": "Fetch.requestPaused", "params": parameters}:
                yield self._paused(parameters)
            case {"method": "Page.lifecycleEvent", "params": {"frameId": frame, "name": name}}:
                if frame == self._main_frame:
                    self._came_to(name)
            case {"result": {"errorText": _}} if not self._handed_over:
                self.failure = self._document.url, 0
            case {"method": "Page.javascriptDialogOpening"}:
                yield "Page.handleJavaScriptDialog", {"accept": True}

    def _came_to(self, name: str) -> None:
        if name == "init":
            self._reached.clear()
        elif self._handed_over:
            self._reached.add(name)
            self.shown = self.shown or name == "DOMContentLoaded"
            self.settled = {"load", "networkIdle"} <= self._reached

    def _paused(self, parameters: Mapping[str, Any]) -> Order:
        request = {"requestId": parameters["requestId"]}
        is_main = parameters["frameId"] == self._main_frame
        if is_main and not self._handed_over:
            self._handed_over = True
            return "Fetch.fulfillRequest", {**request, **_answer(self._document)}
        url = parameters["request"]["url"]
        if urlsplit(url).scheme not in WEB:
            return "Fetch.failRequest", {**request, "errorReason": "AccessDenied"}
        status = parameters.get("responseStatusCode", 0)
        came = "responseStatusCode" in parameters or "responseErrorReason" in parameters
        if is_main and came and not (200 <= status < 300 or status in STATUSES):
            self.failure = url, status
        return "Fetch.continueRequest", request


def _answer(document: Document) -> dict[str, Any]:
    return {
        "responseCode": 200,
        "responseHeaders": [{"name": n, "value": v} for n, v in document.headers],
        "body": base64.b64encode(document.body).decode(),
    }
