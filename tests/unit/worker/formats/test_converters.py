"""Which converter a format has, and what the converted file is called."""

import base64
import hashlib
import json

import pytest

from download_schedule.attempt.task import Format
from download_worker.download_request import DownloadRequest
from download_worker.formats.converters import (
    CONTENT_TYPES,
    EXTENSIONS,
    converted_filename,
    find_converter,
)
from download_worker.http.messages import Request, Response

URL = "http://example.com/"
ARTICLE = "One sentence of many, and every one of them is worth reading. " * 20
PAGE = f"<!doctype html><html><body><p>{ARTICLE}Münster</p></body></html>"


def convert(file_format: Format, body: bytes) -> bytes:
    converter = find_converter(file_format, DownloadRequest(Request(URL)), lambda: False)
    assert converter
    return converter(Response(URL, "1.1", 200, {"content-type": "text/html"}), body)


def test_raw_body_is_not_converted() -> None:
    assert find_converter(Format.RAW, DownloadRequest(Request(URL)), lambda: False) is None


@pytest.mark.parametrize("file_format", sorted(set(Format) - {Format.RAW}))
def test_every_other_format_has_a_converter_and_a_type(file_format: Format) -> None:
    assert find_converter(file_format, DownloadRequest(Request(URL)), lambda: False)
    assert EXTENSIONS[file_format]
    assert CONTENT_TYPES[file_format]


def test_html_is_utf_8() -> None:
    assert convert(Format.HTML, PAGE.encode("cp1252")) == PAGE.encode()


@pytest.mark.parametrize("file_format", [Format.TEXT, Format.MARKDOWN])
def test_article_is_text(file_format: Format) -> None:
    assert convert(file_format, PAGE.encode()).decode().startswith("One sentence of many")


def test_json_document_has_the_body() -> None:
    document = json.loads(convert(Format.JSON, b"\x00\xff"))
    assert base64.b64decode(document["content"]) == b"\x00\xff"
    assert document["sha256"] == hashlib.sha256(b"\x00\xff").hexdigest()


@pytest.mark.parametrize(
    ("filename", "file_format", "converted"),
    [
        ("x.csv", Format.RAW, "x.csv"),
        ("news.html", Format.HTML, "news.html"),
        ("NEWS.HTML", Format.HTML, "NEWS.HTML"),
        ("news.htm", Format.HTML, "news.html"),
        ("news.php", Format.MARKDOWN, "news.md"),
        ("index.aspx", Format.TEXT, "index.txt"),
        ("x.csv", Format.JSON, "x.csv.json"),
        ("page", Format.PDF, "page.pdf"),
    ],
)
def test_converted_file_has_the_extension(
    filename: str, file_format: Format, converted: str
) -> None:
    assert converted_filename(filename, file_format) == converted
