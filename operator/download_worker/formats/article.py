"""Formats text and markdown: the main article of a page."""

import logging
import re
from collections.abc import Callable
from threading import Thread
from typing import Any, Final

import trafilatura

from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.formats.charset import decode_page
from download_worker.http.messages import Response

POLL_SECONDS: Final = 0.2
"""Time between two looks at the stop flag."""

_NOT_IN_XML: Final = re.compile(
    r"&#(?:0*(?:[1-8]|1[124-9]|2[0-9]|3[01]|6553[45])(?![0-9])"
    r"|x0*(?:[1-8bcef]|1[0-9a-f]|fff[ef])(?![0-9a-f]));?",
    re.IGNORECASE,
)
"""References to characters that XML cannot hold, and that browsers do not show."""


def extract_article(
    response: Response, body: bytes, *, output_format: str, stopped: Callable[[], bool]
) -> bytes:
    """Return the article without navigation, advertisements and scripts.

    Args:
        response: to which the body belongs.
        body: the page.
        output_format: as trafilatura names it.
        stopped: asked several times a second whether to give up.

    Raises:
        DownloadError: the body is not a page, or has no article.
    """
    return _run_until(stopped, lambda: _extract(response, body, output_format))


def _extract(response: Response, body: bytes, output_format: str) -> bytes:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    page = _NOT_IN_XML.sub("", decode_page(response, body))
    article: Any = trafilatura.extract(
        page,
        url=response.url,
        output_format=output_format,
        include_links=output_format == "markdown",
    )
    if not article:
        raise DownloadError(
            Reason.NO_ARTICLE,
            "No article was found in the page: write format html or raw.",
            response.status,
        )
    return str(article).encode() + b"\n"


def _run_until(stopped: Callable[[], bool], work: Callable[[], bytes]) -> bytes:
    """Run *work* in a thread, and abandon it once *stopped*: a large page takes minutes."""
    outcomes: list[bytes | Exception] = []

    def run() -> None:
        try:
            outcomes.append(work())
        except Exception as error:
            outcomes.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        if stopped():
            raise StoppedError
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
