"""Format pdf: a page as Chromium prints it.

The document itself is fetched as every other download is, so that the same rules judge its status,
type, size, digest and redirects, and so that headers with credentials go where they may and nowhere
else. Chromium is handed that very document instead of asking for it again. All else that the page
asks for goes through the gate.
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

from download_worker.download import MAX_CONVERTED, Convert, Order
from download_worker.egress.http1 import authority
from download_worker.egress.proxy import Passed, gate
from download_worker.errors import DownloadError, Reason, of_status
from download_worker.formats.chromium import Browser, browser, timed_out
from download_worker.formats.html_page import Document, document_of
from download_worker.formats.pdf_navigation import Navigation
from download_worker.http.curl import Limits
from download_worker.http.messages import Response

log = logging.getLogger(__name__)

PAGE_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 20.0
PAPER: Final[Mapping[str, object]] = {
    "paperWidth": 8.27,
    "paperHeight": 11.69,
    "preferCSSPageSize": True,
    "printBackground": True,
}
"""A4 in inches, where the page's own style does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a page is rendered.

    Attributes:
        seconds: from the browser's start to the last byte; more fails the attempt.
        settle_seconds: from the page's start; what has not come by then is not in the PDF, but for
            what the page cannot be shown without.
        scratch: folder that may be written to; None: the usual one for temporary files.
    """

    seconds: float = PAGE_SECONDS
    settle_seconds: float = SETTLE_SECONDS
    scratch: Path | None = None


def printer(order: Order, rendering: Rendering, stopped: Callable[[], bool]) -> Convert:
    """Return what prints a page that was fetched for *order*.

    Args:
        order: its ``max_bytes``, and 64 MiB, are the most that the PDF may have, and all that the
            page loads besides; its addresses are those that the page may load from.
        rendering: how long, and where.
        stopped: asked several times a second whether to give up.
    """
    user_agent = next((v for n, v in order.request.headers if n.lower() == "user-agent"), None)
    max_bytes = min(order.max_bytes, MAX_CONVERTED)

    def convert(response: Response, body: bytes) -> bytes:
        document = document_of(response, body, user_agent)
        return render(document, order.limits, max_bytes, rendering, stopped)

    return convert


def render(
    document: Document,
    limits: Limits,
    max_bytes: int,
    rendering: Rendering,
    stopped: Callable[[], bool],
) -> bytes:
    """Print *document*; return the PDF.

    Args:
        document: fetched and judged already.
        limits: which addresses may be connected to, and how long a connection may take.
        max_bytes: of the PDF, and of all that the page loads.
        rendering: how long, and where.
        stopped: asked several times a second whether to give up.

    Raises:
        DownloadError: there is no PDF.
    """
    deadline = time.monotonic() + rendering.seconds
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="page-", dir=rendering.scratch, ignore_cleanup_errors=True
            ) as folder,
            gate(limits.allowed, max_bytes, limits.connect_seconds) as passed,
            browser(Path(folder), passed.port, deadline, stopped) as running,
        ):
            return _Page(running, passed, max_bytes).print(document, rendering)
    except OSError as error:
        raise DownloadError(
            Reason.RENDER_FAILED,
            f"The browser has no folder for its own files ({error.strerror or error}): "
            "give the container one that may be written to, at /tmp.",
        ) from error


class _Page:
    def __init__(self, running: Browser, passed: Passed, max_bytes: int) -> None:
        self._browser = running
        self._passed = passed
        self._max_bytes = max_bytes
        self._session: str | None = None

    def print(self, document: Document, rendering: Rendering) -> bytes:
        self._session = self._attach()
        settled = self._load(document, rendering)
        if self._passed.too_much:
            raise self._too_large("The page loads more than")
        printed = self._printed()
        for where, address in self._passed.refused.items():
            log.warning("left out of the page: %s, as %s is not a public address", where, address)
        if not settled:
            log.warning("the page still asked for more after %g seconds", rendering.settle_seconds)
        return printed

    def _printed(self) -> bytes:
        pdf = bytearray()
        stream = self._call("Page.printToPDF", transferMode="ReturnAsStream", **PAPER)["stream"]
        while not (piece := self._call("IO.read", handle=stream))["eof"]:
            pdf += base64.b64decode(piece["data"])
            if len(pdf) > self._max_bytes:
                raise self._too_large("The PDF is larger than")
        return bytes(pdf)

    def _attach(self) -> str:
        self._browser.call("Browser.setDownloadBehavior", behavior="deny")
        targets = self._browser.call("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self._browser.call("Target.attachToTarget", targetId=page, flatten=True)
        return str(attached["sessionId"])

    def _load(self, document: Document, rendering: Rendering) -> bool:
        """Show the document; tell whether it settled."""
        main_frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        navigation = Navigation(document, main_frame)
        for method, parameters in navigation.preparations():
            self._call(method, **parameters)
        until = time.monotonic() + rendering.settle_seconds
        self._browser.send("Page.navigate", self._session, url=document.url)
        while not navigation.settled:
            event = self._browser.event(until if navigation.shown else math.inf)
            if event is None:
                break
            for method, parameters in navigation.react(event):
                self._browser.send(method, self._session, **parameters)
            if navigation.failure:
                raise self._explain(*navigation.failure)
        if not navigation.shown:
            raise timed_out()
        return navigation.settled

    def _call(self, method: str, **parameters: object) -> Any:
        return self._browser.call(method, self._session, **parameters)

    def _explain(self, url: str, status: int) -> DownloadError:
        """Say why a document that the page itself went to is none."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        where = authority(parts.hostname or "", port)
        if where in self._passed.refused:
            return DownloadError(
                Reason.ADDRESS_REFUSED,
                f"The page leads to {where}, and {self._passed.refused[where]} is not a public "
                "address: have the operator's configuration allow its range if it is wanted.",
            )
        if status:
            return of_status(status)
        return DownloadError(
            Reason.CONNECTION_FAILED, f"The browser could not open {url}, to which the page leads."
        )

    def _too_large(self, what: str) -> DownloadError:
        advice = "raise verify.maxBytes" if self._max_bytes < MAX_CONVERTED else "write format html"
        return DownloadError(
            Reason.TOO_LARGE, f"{what} the {self._max_bytes} bytes accepted: {advice}."
        )
