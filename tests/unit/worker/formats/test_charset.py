"""In which encoding a page is read, and that it then says UTF-8."""

import time

import pytest
import webencodings

from download_worker.formats.charset import decode_page
from download_worker.http.messages import Response

URL = "http://example.com/"


def decode(body: bytes, content_type: str = "text/html") -> str:
    return decode_page(Response(URL, "1.1", 200, {"content-type": content_type}), body)


def page(text: str, encoding: str, head: str = "") -> bytes:
    return f"{head}<p>{text}</p>".encode(encoding)


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("gb2312", "gbk", "镕"),
        ("gbk", "gb18030", "\u3400"),
        ("x-gbk", "gb18030", "\u3400"),
        ("euc-kr", "cp949", "똠방각하"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("windows-949", "cp949", "똠방각하"),
        ("Shift_JIS", "cp932", "①髙"),
        ("x-sjis", "cp932", "①髙"),
        ("windows-31j", "cp932", "①髙"),
        ("x-euc-jp", "euc_jp", "日本"),
        ("big5", "big5hkscs", "嘅"),
        ("iso-8859-1", "cp1252", "€"),
        ("us-ascii", "cp1252", "€"),
        ("iso-8859-9", "cp1254", "€ğ"),
        ("tis-620", "cp874", "ไทย…"),
        ("iso-8859-11", "cp874", "ไทย…"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("x-mac-cyrillic", "mac-cyrillic", "Мюнхен"),
        ("windows-1251", "cp1251", "Мюнхен"),
        ("utf-16", "utf-16-le", "Münster"),
    ],
)
def test_label_means_what_browsers_take_it_for(label: str, encoding: str, text: str) -> None:
    assert decode(page(text, encoding), f"text/html; charset={label}") == f"<p>{text}</p>"


@pytest.mark.parametrize("label", sorted(webencodings.LABELS))
def test_every_label_of_the_standard_is_known_to_python(label: str) -> None:
    expected = "<p>x</p>"
    encoding = "utf-16-be" if webencodings.LABELS[label] == "utf-16be" else "ascii"
    if webencodings.LABELS[label] == "utf-16le":
        encoding = "utf-16-le"
    assert decode(page("x", encoding), f"text/html; charset={label}") == expected


@pytest.mark.parametrize(
    "label",
    [
        *("no-such", "utf8mb4", "undefined", "hex", "idna", "punycode", "utf-7"),
        *("unicode_escape", "raw_unicode_escape", "mbcs", "x-user-defined", "hz-gb-2312"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_label_that_is_not_of_the_web_is_ignored(label: str, encoding: str) -> None:
    text = r"Münster \ud800 +2AA-"
    assert decode(page(text, encoding), f"text/html; charset={label}") == f"<p>{text}</p>"


@pytest.mark.parametrize(
    ("parameter", "head", "encoding", "decoded_head"),
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
def test_page_says_that_it_is_utf_8(
    parameter: str, head: str, encoding: str, decoded_head: str
) -> None:
    text = decode(page("Мюнхен", encoding, head), f"text/html{parameter}")
    assert text == f"{decoded_head}<p>Мюнхен</p>"


def test_long_content_type_is_read_quickly() -> None:
    began = time.process_time()
    assert decode(b"<p>x", f"text/html; charset={' ' * 20_000}!") == "<p>x"
    assert time.process_time() - began < 1
