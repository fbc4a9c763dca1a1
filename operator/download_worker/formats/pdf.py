"""Format pdf: a page as Chromium prints it.

The document itself is fetched like any other download. So the same rules hold for its status, type,
size, digest and redirects, and headers with credentials go only where they may. Chromium gets that
very document instead of asking for it again. Everything else that the page asks for goes through
the egress proxy.
"""

import base64
import logging
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from download_worker.body import MAX_CONVERTED_BYTES
from download_worker.download_request import Convert, DownloadRequest
from download_worker.egress.http1 import authority
from download_worker.egress.policy import refusal_error
from download_worker.egress.proxy import ProxyStats, egress_proxy
from download_worker.errors import DownloadError, Reason, http_status_error
from download_worker.formats.browser_cookies import browser_cookies
from download_worker.formats.browser_limits import USUAL_LIMITS, BrowserLimits
from download_worker.formats.chromium import (
    PIECE_BYTES,
    Browser,
    Message,
    render_timeout,
    start_browser,
)
from download_worker.formats.html_page import Document, document_from
from download_worker.formats.pdf_navigation import Navigation
from download_worker.formats.pdf_view import (
    QUIET_SECONDS,
    Requests,
    page_height,
    scroll_positions,
    tall_view,
)
from download_worker.http.curl import ConnectionOptions
from download_worker.http.messages import Response

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 20.0
A4_PAPER: Final[Mapping[str, object]] = {
    "paperWidth": 8.27,
    "paperHeight": 11.69,
    "preferCSSPageSize": True,
    "printBackground": True,
}
"""A4 in inches, unless the page's own style says otherwise."""
_NEXT_FRAME: Final = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a page is rendered."""

    timeout_seconds: float = TIMEOUT_SECONDS
    """Time from the browser's start to the last byte; after that the attempt fails."""
    settle_seconds: float = SETTLE_SECONDS
    """Time from the page's start. Whatever has not come by then is left out of the PDF, unless the
    page cannot be shown without it."""
    scratch: Path | None = None
    """Folder for temporary files; None: the usual one."""
    limits: BrowserLimits = USUAL_LIMITS
    """What the browser may use."""


def pdf_converter(
    request: DownloadRequest, options: RenderOptions, stopped: Callable[[], bool]
) -> Convert:
    """Return what prints a page that was fetched for *request*.

    Args:
        request: its ``max_bytes``, and 64 MiB, limit the PDF and whatever else the page loads. The
            page may load from the addresses that the request itself may connect to.
        options: how long, where, and with what.
        stopped: asked several times a second whether to give up.
    """
    headers = request.http.headers
    user_agent = next((value for name, value in headers if name.lower() == "user-agent"), None)
    max_bytes = min(request.max_bytes, MAX_CONVERTED_BYTES)

    def convert(response: Response, body: bytes) -> bytes:
        document = document_from(response, body, user_agent)
        return render_pdf(document, request.connection, max_bytes, options, stopped)

    return convert


def render_pdf(
    document: Document,
    connection: ConnectionOptions,
    max_bytes: int,
    options: RenderOptions,
    stopped: Callable[[], bool],
) -> bytes:
    """Print *document*; return the PDF.

    Args:
        document: as it was fetched.
        connection: which addresses may be connected to, by which proxy, and how long a connection
            may take.
        max_bytes: limit for the PDF, and for everything that the page loads.
        options: how long, where, and with what.
        stopped: asked several times a second whether to give up.

    Raises:
        DownloadError: there is no PDF.
    """
    deadline = time.monotonic() + options.timeout_seconds
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="page-", dir=options.scratch, ignore_cleanup_errors=True
            ) as folder,
            egress_proxy(
                connection.egress,
                max_bytes=max_bytes,
                connect_timeout_seconds=connection.connect_timeout_seconds,
                next_proxy=connection.proxy,
            ) as stats,
            start_browser(Path(folder), stats.port, deadline, stopped, options.limits) as browser,
        ):
            return _Page(browser, stats, max_bytes).print(document, options)
    except OSError as error:
        raise DownloadError(
            Reason.RENDER_FAILED,
            f"The browser cannot write its own files ({error.strerror or error}): "
            "give the container a writable folder at /tmp.",
        ) from error


class _Page:
    def __init__(self, browser: Browser, stats: ProxyStats, max_bytes: int) -> None:
        self._browser = browser
        self._stats = stats
        self._max_bytes = max_bytes
        self._session: str | None = None

    def print(self, document: Document, options: RenderOptions) -> bytes:
        self._session = self._attach()
        settled = self._load(document, options)
        if self._stats.is_exhausted:
            raise self._too_large("The page loads more than")
        pdf = self._print_to_pdf()
        for host_and_port, reason in self._stats.refused.items():
            log.warning("left out of the page: %s (%s)", host_and_port, reason)
        if not settled:
            log.warning("the page was still loading after %g seconds", options.settle_seconds)
        return pdf

    def _print_to_pdf(self) -> bytes:
        pdf = bytearray()
        parameters = {"transferMode": "ReturnAsStream", **A4_PAPER}
        stream = self._call("Page.printToPDF", **parameters)["stream"]
        while not (piece := self._call("IO.read", handle=stream, size=PIECE_BYTES))["eof"]:
            pdf += base64.b64decode(piece["data"])
            if len(pdf) > self._max_bytes:
                raise self._too_large("The PDF is larger than")
        return bytes(pdf)

    def _attach(self) -> str:
        self._browser.call("Browser.setDownloadBehavior", behavior="deny")
        targets = self._browser.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        session = self._browser.call("Target.attachToTarget", targetId=page, flatten=True)
        return str(session["sessionId"])

    def _load(self, document: Document, options: RenderOptions) -> bool:
        """Show the document; return whether it settled."""
        main_frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        navigation = Navigation(document, main_frame)
        for method, parameters in navigation.setup():
            self._call(method, **parameters)
        for cookie in browser_cookies(document.cookies):
            # The browser may refuse one, which is not a reason to print nothing.
            self._browser.send("Network.setCookie", self._session, **cookie)
        now = time.monotonic()
        until, half = now + options.settle_seconds, now + options.settle_seconds / 2
        self._browser.send("Page.navigate", self._session, url=document.url)
        self._react(navigation, half, lambda _: navigation.settled)
        if not navigation.shown:
            raise render_timeout()
        self._bring_into_view(navigation, until)
        if not navigation.settled:
            self._react(navigation, until, lambda _: navigation.settled)
        return navigation.settled

    def _react(
        self, navigation: Navigation, until: float, is_last: Callable[[Message], bool]
    ) -> Message | None:
        """React to events up to the last one, and return it; None if the time is over before."""
        while event := self._browser.next_event(until if navigation.shown else math.inf):
            for method, parameters in navigation.react(event):
                self._browser.send(method, self._session, **parameters)
            if navigation.failure:
                raise self._explain(*navigation.failure)
            if is_last(event):
                return event
        return None

    def _bring_into_view(self, navigation: Navigation, until: float) -> None:
        """Show every part of the page, and then its start in the usual view again."""
        requests = Requests()
        self._send("Network.enable", maxTotalBufferSize=0, maxResourceBufferSize=0)
        metrics = self._ask(navigation, until, "Page.getLayoutMetrics")
        view = tall_view(metrics) if metrics else None
        if view is None:
            return
        self._send("Emulation.setDeviceMetricsOverride", **_same_width(view))
        self._wait_until_quiet(navigation, requests, until)
        metrics = self._ask(navigation, until, "Page.getLayoutMetrics")
        for position in scroll_positions(view, page_height(metrics) if metrics else 0):
            self._send("Runtime.evaluate", expression=_scroll_to(position))
            self._wait_until_quiet(navigation, requests, until)
        self._send("Runtime.evaluate", expression=_scroll_to(0))
        self._send("Emulation.clearDeviceMetricsOverride")
        # Scripts that go by the height of the view get the time to undo what they did.
        frame = time.monotonic() + QUIET_SECONDS
        self._ask(navigation, frame, "Runtime.evaluate", expression=_NEXT_FRAME, awaitPromise=True)

    def _wait_until_quiet(self, navigation: Navigation, requests: Requests, until: float) -> None:
        quiet = time.monotonic() + QUIET_SECONDS
        while self._react(
            navigation, until if requests.pending else min(until, quiet), requests.take
        ):
            quiet = time.monotonic() + QUIET_SECONDS

    def _ask(
        self, navigation: Navigation, until: float, method: str, **parameters: object
    ) -> Any | None:
        """Send a command, and react to events until its result is there.

        Unlike :meth:`_call`, this answers dialogs, which block the page's commands.
        """
        identifier = self._send(method, **parameters)
        response = self._react(navigation, until, lambda event: event.get("id") == identifier)
        return response.get("result") if response else None

    def _send(self, method: str, **parameters: object) -> int:
        return self._browser.send(method, self._session, **parameters)

    def _call(self, method: str, **parameters: object) -> Any:
        return self._browser.call(method, self._session, **parameters)

    def _explain(self, url: str, status: int) -> DownloadError:
        """Return why a document to which the page itself led could not be shown."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host_and_port = authority(parts.hostname or "", port)
        if reason := self._stats.refused.get(host_and_port):
            return refusal_error(reason, f"{parts.hostname}, to which the page leads,", port)
        if status:
            return http_status_error(status)
        return DownloadError(
            Reason.CONNECTION_FAILED, f"The browser could not open {url}, to which the page leads."
        )

    def _too_large(self, what: str) -> DownloadError:
        is_own_limit = self._max_bytes < MAX_CONVERTED_BYTES
        advice = "raise verify.maxBytes" if is_own_limit else "write format html"
        return DownloadError(
            Reason.TOO_LARGE, f"{what} the {self._max_bytes} bytes accepted: {advice}."
        )


def _same_width(height: int) -> Mapping[str, object]:
    """Return a view of another height."""
    return {"width": 0, "height": height, "deviceScaleFactor": 0, "mobile": False}


def _scroll_to(position: int) -> str:
    return f"scrollTo({{top: {position}, behavior: 'instant'}})"
