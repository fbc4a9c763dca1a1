"""The article of a page, extracted by a child with limits."""

import time
from typing import Any

import pytest

from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.formats.article import MAX_ARTICLE_PAGE_BYTES, extract_article
from download_worker.http.messages import Response

MEBIBYTE = 1024**2
RESPONSE = Response("http://example.com/", "1.1", 200, {"content-type": "text/html"})
TEXT = "One sentence of many, and every one of them is worth reading. " * 20
CELLS = b"<html><table><tr>" + b"<td>x" * 50_000
"""A page of 250 kB whose article takes half a minute."""


def extract(body: bytes, output_format: str = "txt", **options: Any) -> bytes:
    options = {"memory_bytes": 1024 * MEBIBYTE, "stopped": lambda: False, **options}
    return extract_article(RESPONSE, body, output_format=output_format, **options)


def refusal(body: bytes, **options: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        extract(body, **options)
    return caught.value


@pytest.mark.parametrize("output_format", ["txt", "markdown"])
def test_article_is_that_of_the_page(output_format: str) -> None:
    assert (
        extract(f"<html><p>{TEXT}</html>".encode(), output_format).decode() == TEXT.strip() + "\n"
    )


def test_page_without_an_article_is_refused() -> None:
    error = refusal(b"<html><body></body></html>")
    assert (error.reason, error.permanent, error.status) == (Reason.NO_ARTICLE, True, 200)
    assert "write format html or raw" in str(error)


def test_body_that_is_not_a_page_is_refused() -> None:
    assert refusal(b"no page").reason is Reason.NO_ARTICLE
    response = Response("http://example.com/", "1.1", 200, {"content-type": "text/csv"})
    with pytest.raises(DownloadError) as caught:
        extract_article(
            response, b"a,b", output_format="txt", memory_bytes=0, stopped=lambda: False
        )
    assert caught.value.reason is Reason.NOT_A_PAGE


def test_page_that_is_too_large_is_refused() -> None:
    error = refusal(b"<html>" + b"x" * (MAX_ARTICLE_PAGE_BYTES - 5))
    assert (error.reason, error.status) == (Reason.TOO_LARGE, 200)
    assert str(MAX_ARTICLE_PAGE_BYTES) in str(error)


def test_page_that_takes_too_much_processor_time_is_too_complex() -> None:
    error = refusal(CELLS, cpu_seconds=1)
    assert (error.reason, error.permanent, error.status) == (Reason.TOO_COMPLEX, True, 200)
    assert "more than 1 seconds of processor time: write format html or raw" in str(error)


def test_page_that_takes_too_much_memory_is_too_complex() -> None:
    error = refusal(b"<html>" + b"<a href=x>y</a>" * 100_000, memory_bytes=256 * MEBIBYTE)
    assert (error.reason, error.permanent) == (Reason.TOO_COMPLEX, True)
    assert "more than 160 MiB of memory" in str(error)
    assert "downloads.resources" in str(error)


@pytest.mark.parametrize("output_format", ["txt", "markdown"])
def test_stop_does_not_wait_for_a_long_extraction(output_format: str) -> None:
    """SIGTERM has to end it within seconds."""
    began = time.monotonic()
    with pytest.raises(StoppedError):
        extract_article(
            RESPONSE,
            CELLS,
            output_format=output_format,
            memory_bytes=1024 * MEBIBYTE,
            stopped=lambda: time.monotonic() > began + 0.5,
        )
    assert time.monotonic() < began + 10
