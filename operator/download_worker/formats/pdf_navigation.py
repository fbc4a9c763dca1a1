"""How a page comes to be shown, as a pure state machine: DevTools events in, commands out."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from download_worker.formats.html_page import Document
from download_worker.http.redirects import REDIRECT_STATUSES

WEB_SCHEMES: Final = frozenset({"http", "https"})

Command = tuple[str, dict[str, Any]]
"""Method and parameters."""


class Navigation:
    """The way of the main frame from an empty page to a page at rest.

    Attributes:
        shown: whether there is a page.
        settled: whether the page is loaded and asks for nothing more.
        failure: address and status (0: no response) of a document that could not be shown.
    """

    def __init__(self, document: Document, main_frame: str) -> None:
        self.shown = False
        self.settled = False
        self.failure: tuple[str, int] | None = None
        self._document = document
        self._main_frame = main_frame
        self._handed_over = False
        """Whether the browser has got the document."""
        self._reached: set[str] = set()
        """Events in the life of the current document."""

    def setup(self) -> Iterator[Command]:
        """Yield the commands that come before the first navigation."""
        if self._document.user_agent is not None:
            yield "Emulation.setUserAgentOverride", {"userAgent": self._document.user_agent}
        yield "Page.enable", {}
        yield "Page.setLifecycleEventsEnabled", {"enabled": True}
        stages = [{"resourceType": "Document", "requestStage": s} for s in ("Request", "Response")]
        yield "Fetch.enable", {"patterns": stages}

    def react(self, event: Mapping[str, Any]) -> Iterator[Command]:
        """Take an event, and yield the commands that follow from it."""
        match event:
            case {"method": "Fetch.requestPaused", "params": parameters}:
                yield self._decide_request(parameters)
            case {"method": "Page.lifecycleEvent", "params": {"frameId": frame, "name": name}}:
                if frame == self._main_frame:
                    self._on_lifecycle_event(name)
            case {"result": {"errorText": _}} if not self._handed_over:
                self.failure = self._document.url, 0
            case {"method": "Page.javascriptDialogOpening"}:
                yield "Page.handleJavaScriptDialog", {"accept": True}

    def _on_lifecycle_event(self, name: str) -> None:
        if name == "init":
            self._reached.clear()
        elif self._handed_over:
            self._reached.add(name)
            self.shown = self.shown or name == "DOMContentLoaded"
            self.settled = {"load", "networkIdle"} <= self._reached

    def _decide_request(self, parameters: Mapping[str, Any]) -> Command:
        """Answer the first request with the document; let others go to the web only."""
        request = {"requestId": parameters["requestId"]}
        is_main_frame = parameters["frameId"] == self._main_frame
        if is_main_frame and not self._handed_over:
            self._handed_over = True
            return "Fetch.fulfillRequest", {**request, **_response(self._document)}
        url = parameters["request"]["url"]
        if urlsplit(url).scheme not in WEB_SCHEMES:
            return "Fetch.failRequest", {**request, "errorReason": "AccessDenied"}
        if is_main_frame and _has_failed(parameters):
            self.failure = url, parameters.get("responseStatusCode", 0)
        return "Fetch.continueRequest", request


def _has_failed(parameters: Mapping[str, Any]) -> bool:
    """Return whether a request has an error, or a response that is neither 2xx nor a redirect."""
    if "responseStatusCode" not in parameters:
        return "responseErrorReason" in parameters
    status = parameters["responseStatusCode"]
    return not (200 <= status < 300 or status in REDIRECT_STATUSES)


def _response(document: Document) -> dict[str, Any]:
    return {
        "responseCode": 200,
        "responseHeaders": [{"name": n, "value": v} for n, v in document.headers],
        "body": base64.b64encode(document.body).decode(),
    }
