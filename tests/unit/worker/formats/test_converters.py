"""In which encoding a page is read, and that what is kept says UTF-8."""

import threading
import time

import pytest

from download_worker.download import Order
from download_worker.errors import StoppedError
from download_worker.formats import converters
from download_worker.formats.converters import converter
from download_worker.http.messages import Response
from download_worker.http.redirects import Request

URL = "http://example.com/"


def in_utf8(body: bytes, kind: str = "text/html") -> str:
    convert = converter("html", Order(Request(URL)), lambda: False)
    assert convert
    return convert(Response(URL, "1.1", 200, {"content-type": kind}), body).decode()


def page(text: str, encoding: str, head: str = "") -> bytes:
    return f"{head}<p>{text}</p>".encode(encoding)


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("gb2312", "gbk", "镕"),
        ("gbk", "gb18030", "\u3400"),
        ("euc-kr", "cp949", "똠방각하"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("Shift_JIS", "cp932", "①髙"),
        ("x-sjis", "cp932", "①髙"),
        ("windows-31j", "cp932", "①髙"),
        ("big5", "big5hkscs", "嘅"),
        ("iso-8859-1", "cp1252", "€"),
        ("iso-8859-9", "cp1254", "€ğ"),
        ("tis-620", "cp874", "ไทย…"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("x-mac-cyrillic", "mac-cyrillic", "Мюнхен"),
        ("windows-1251", "cp1251", "Мюнхен"),
        ("utf-16", "utf-16-le", "Münster"),
    ],
)
def test_an_encoding_is_the_one_that_browsers_take_it_for(
    label: str, encoding: str, text: str
) -> None:
    assert in_utf8(page(text, encoding), f"text/html; charset={label}") == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "label",
    [
        *("no-such", "utf8mb4", "undefined", "hex", "idna", "punycode", "utf-7"),
        *("unicode_escape", "raw_unicode_escape", "mbcs", "x-user-defined"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_an_encoding_that_is_none_of_the_web_is_not_heeded(label: str, encoding: str) -> None:
    text = r"Münster \ud800 +2AA-"
    assert in_utf8(page(text, encoding), f"text/html; charset={label}") == f"<p>{text}</p>"


@pytest.mark.parametrize(
    ("kind", "head", "encoding", "kept"),
    [
        ("", "<meta charset='koi8-r'>", "koi8-r", "<meta charset='utf-8'>"),
        ("; charset=none", "<meta charset=koi8-r>", "koi8-r", "<meta charset=utf-8>"),
        ("; charset=koi8-r", "<meta charset=cp1251>", "koi8-r", "<meta charset=utf-8>"),
        ("", "<meta charset=utf-16>", "utf-8", "<meta charset=utf-8>"),
        ("", "<meta charset=koi8-r>", "utf-8-sig", "<meta charset=utf-8>"),
        ("", "<meta charset=utf-16>", "utf-16", "<meta charset=utf-8>"),
        ("", '<?xml encoding="koi8-r"?>', "koi8-r", '<?xml encoding="utf-8"?>'),
        (
            "",
            '<?xml encoding="utf-8"?><meta charset=koi8-r>',
            "koi8-r",
            '<?xml encoding="utf-8"?><meta charset=utf-8>',
        ),
    ],
)
def test_a_page_says_that_it_is_in_utf_8(kind: str, head: str, encoding: str, kept: str) -> None:
    assert in_utf8(page("Мюнхен", encoding, head), f"text/html{kind}") == f"{kept}<p>Мюнхен</p>"


def test_a_type_of_any_length_is_read_in_no_time() -> None:
    began = time.process_time()
    assert in_utf8(b"<p>x", f"text/html; charset={' ' * 20_000}!") == "<p>x"
    assert time.process_time() - began < 1


@pytest.mark.parametrize("code", [1, 8, 11, 12, 14, 31, 0xFFFE, 0xFFFF])
def test_an_article_is_found_whatever_characters_it_refers_to(code: int) -> None:
    convert = converter("text", Order(Request(URL)), lambda: False)
    assert convert
    text = "One sentence of many, and all of them are worth to be read. " * 20
    none = f"&#{code};&#x{code:x};&#X00{code:X} &#00{code}"
    body = f"<html><p>{text}{none}&#65;&#x1F600;&#110;{text}</html>".encode()
    kept = convert(Response(URL, "1.1", 200, {"content-type": "text/html"}), body).decode()
    assert kept == f"{text}A\U0001f600n{text}".strip() + "\n"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_end_of_a_long_conversion_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """By SIGTERM it is to end within seconds; a page of 30,000 paragraphs takes 40 of them."""
    may_end = threading.Event()

    def article(_response: Response, _body: bytes, form: str) -> bytes:
        may_end.wait(30)
        return form.encode()

    monkeypatch.setattr(converters, "_article", article)
    begun = time.monotonic()
    convert = converter(form, Order(Request(URL)), lambda: time.monotonic() > begun + 0.5)
    assert convert
    with pytest.raises(StoppedError):
        convert(Response(URL), b"")
    assert time.monotonic() < begun + 10
    may_end.set()
