"""Formats text and markdown: the main article of a page.

A child process extracts it; see :mod:`download_worker.formats.article_child`.
"""

from collections.abc import Callable
from typing import Final

from download_worker.checks import too_large_to_convert
from download_worker.formats.html_page import check_page
from download_worker.formats.isolation import Limits, child_memory, convert_in_child
from download_worker.http.messages import Response

MAX_ARTICLE_PAGE_BYTES: Final = 8 * 1024**2
"""Largest page whose article is extracted. Text of this size takes 300 MiB."""
CPU_SECONDS: Final = 60
"""Ten times what a page of 8 MiB of text takes."""

_CHILD: Final = "download_worker.formats.article_child"


def extract_article(
    response: Response,
    body: bytes,
    *,
    output_format: str,
    memory_bytes: int,
    stopped: Callable[[], bool],
    cpu_seconds: int = CPU_SECONDS,
) -> bytes:
    """Return the article without navigation, advertisements and scripts.

    Args:
        response: to which the body belongs.
        body: the page.
        output_format: as trafilatura names it.
        memory_bytes: what the container may use, this process included.
        stopped: asked several times a second whether to give up.
        cpu_seconds: processor time that the extraction may take.

    Raises:
        DownloadError: the body is not a page, has no article, or takes too much.
    """
    check_page(response, body)
    if len(body) > MAX_ARTICLE_PAGE_BYTES:
        raise too_large_to_convert(response, MAX_ARTICLE_PAGE_BYTES)
    limits = Limits(child_memory(memory_bytes), cpu_seconds, 2 * MAX_ARTICLE_PAGE_BYTES)
    return convert_in_child(_CHILD, response, body, output_format, limits, stopped)
