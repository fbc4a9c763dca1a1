"""The formats in which a body can be saved, and what converts it.

Each converter is imported by the attempts that need it: loading one takes more time than most
downloads.
"""

import re
from collections.abc import Callable
from typing import Final

from download_schedule.attempt.task import Format
from download_worker.download_request import Convert, DownloadRequest
from download_worker.http.messages import Response

EXTENSIONS: Final = {
    Format.HTML: ".html",
    Format.TEXT: ".txt",
    Format.MARKDOWN: ".md",
    Format.JSON: ".json",
    Format.PDF: ".pdf",
}
"""How the names of converted files end."""
CONTENT_TYPES: Final = {
    Format.HTML: "text/html; charset=utf-8",
    Format.TEXT: "text/plain; charset=utf-8",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.JSON: "application/json",
    Format.PDF: "application/pdf",
}
DEFAULT_MEMORY_BYTES: Final = 1024**3
"""What a conversion may use of memory if the container's limit is not known."""
PAGE_FORMATS: Final = frozenset({Format.HTML, Format.TEXT, Format.MARKDOWN, Format.PDF})
"""Formats that are made from pages, whose bodies have to be decoded."""

_PAGE_EXTENSION: Final = r"\.(?:html?|xhtml|php|aspx?|jsp)\Z"


def find_converter(
    file_format: Format,
    request: DownloadRequest,
    stopped: Callable[[], bool],
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Convert | None:
    """Return what converts a body to *file_format*; None if the body is saved as it is.

    Args:
        file_format: as the schedule has it.
        request: what is fetched; its limits hold for what a page loads as well.
        stopped: asked several times a second whether to give up.
        memory_bytes: what the container may use.
    """
    match file_format:
        case Format.HTML:
            return _convert_to_html
        case Format.TEXT:
            return _article_converter("txt", memory_bytes, stopped)
        case Format.MARKDOWN:
            return _article_converter("markdown", memory_bytes, stopped)
        case Format.JSON:
            return _convert_to_json
        case Format.PDF:
            from download_worker.formats.browser_limits import BrowserLimits, browser_memory
            from download_worker.formats.pdf import RenderOptions, pdf_converter

            limits = BrowserLimits(browser_memory(memory_bytes))
            return pdf_converter(request, RenderOptions(limits=limits), stopped)
    return None


def converted_filename(filename: str, file_format: Format) -> str:
    """Return the name of a file after its conversion."""
    extension = EXTENSIONS.get(file_format)
    if not extension or filename.lower().endswith(extension):
        return filename
    return re.sub(_PAGE_EXTENSION, "", filename, flags=re.IGNORECASE) + extension


def _convert_to_html(response: Response, body: bytes) -> bytes:
    from download_worker.formats.charset import page_in_utf_8

    return page_in_utf_8(response, body)


def _article_converter(
    output_format: str, memory_bytes: int, stopped: Callable[[], bool]
) -> Convert:
    def convert(response: Response, body: bytes) -> bytes:
        from download_worker.formats.article import extract_article

        return extract_article(
            response, body, output_format=output_format, memory_bytes=memory_bytes, stopped=stopped
        )

    return convert


def _convert_to_json(response: Response, body: bytes) -> bytes:
    """Return a document that is the same for the same body, so that no change can be seen."""
    import base64
    import hashlib
    import json

    document = {
        "url": response.document_url,
        "status": response.status,
        "content_type": response.headers.get("content-type"),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "encoding": "base64",
        "content": base64.b64encode(body).decode(),
    }
    return json.dumps(document, indent=1).encode() + b"\n"
