"""The article of a page, and how long it may take."""

import threading
import time

import pytest

from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.formats import article
from download_worker.formats.article import extract_article
from download_worker.http.messages import Response

URL = "http://example.com/"
TEXT = "One sentence of many, and every one of them is worth reading. " * 20


def extract(body: bytes) -> str:
    response = Response(URL, "1.1", 200, {"content-type": "text/html"})
    return extract_article(response, body, output_format="txt", stopped=lambda: False).decode()


@pytest.mark.parametrize("code", [1, 8, 11, 12, 14, 31, 0xFFFE, 0xFFFF])
def test_references_to_characters_that_xml_lacks_are_left_out(code: int) -> None:
    invalid = f"&#{code};&#x{code:x};&#X00{code:X} &#00{code}"
    body = f"<html><p>{TEXT}{invalid}&#65;&#x1F600;&#110;{TEXT}</html>".encode()
    assert extract(body) == f"{TEXT}A\U0001f600n{TEXT}".strip() + "\n"


def test_page_without_an_article_is_refused() -> None:
    with pytest.raises(DownloadError, match="write format html or raw") as caught:
        extract(b"<html><body></body></html>")
    assert (caught.value.reason, caught.value.permanent) == (Reason.NO_ARTICLE, True)


@pytest.mark.parametrize("output_format", ["txt", "markdown"])
def test_stop_does_not_wait_for_a_long_extraction(
    monkeypatch: pytest.MonkeyPatch, output_format: str
) -> None:
    """SIGTERM has to end it within seconds; a page of 30,000 paragraphs takes 40 of them."""
    may_end = threading.Event()

    def extract_slowly(_response: Response, _body: bytes, output_format: str) -> bytes:
        may_end.wait(30)
        return output_format.encode()

    monkeypatch.setattr(article, "_extract", extract_slowly)
    began = time.monotonic()
    with pytest.raises(StoppedError):
        extract_article(
            Response(URL),
            b"",
            output_format=output_format,
            stopped=lambda: time.monotonic() > began + 0.5,
        )
    assert time.monotonic() < began + 10
    may_end.set()
