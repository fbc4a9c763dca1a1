"""In which encoding a page is read, and that it then says UTF-8."""

import time

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st

from download_worker.formats.charset import decode_page, page_in_utf_8
from download_worker.formats.declarations import declarations_in_meta, declared_in_xml
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


XHTML = "application/xhtml+xml"
META = "<meta charset=koi8-r>"


def in_utf_8(body: bytes, content_type: str = "text/html") -> bytes:
    return page_in_utf_8(Response(URL, "1.1", 200, {"content-type": content_type}), body)


@pytest.mark.parametrize(
    ("content_type", "head", "encoding"),
    [
        (XHTML, "<?xml encoding='koi8-r'?><meta charset=cp1251>", "koi8-r"),
        (XHTML, META, "utf-8"),
        (XHTML, META, "koi8-r"),
        (XHTML, "", "utf-8"),
        (XHTML, "", "cp1252"),
        (f"{XHTML}; charset=cp1251", "<?xml encoding='koi8-r'?>", "cp1251"),
        ("text/html", "<?xml encoding='koi8-r'?>", "koi8-r"),
        ("text/html", "<?xml encoding='cp1251'?>" + META, "koi8-r"),
        ("text/html", "<?xml encoding='utf-16'?>", "utf-16-le"),
        ("text/html", "<?xml encoding='utf-16'?>", "utf-16-be"),
        ("text/html; charset=utf-16be", META, "utf-16-be"),
        ("text/html; charset=utf-16", META, "utf-16-le"),
        ("text/html; charset=koi8-r", "<meta charset=cp1251>", "utf-8-sig"),
        ("text/html", "<meta charset=cp1251>", "utf-16"),
        ("text/html; charset=x-user-defined", META, "koi8-r"),
        ("text/html", "<!-- charset=cp1251 -->" + META, "koi8-r"),
        ("text/html", "<script>" + "x" * 5000 + "</script>" + META, "koi8-r"),
        ("text/html", "<!--" + "x" * 5000 + "-->" + META, "koi8-r"),
    ],
)
def test_encoding_is_that_of_the_standard(content_type: str, head: str, encoding: str) -> None:
    text = "Мюнхен" if encoding != "cp1252" else "München"
    saved = in_utf_8(page(text, encoding, head), content_type).decode("utf-8-sig")
    assert f"<p>{text}</p>" in saved
    assert "cp1251" not in saved.replace("<!-- charset=cp1251 -->", "")
    assert "koi8-r" not in saved


@pytest.mark.parametrize(
    "page",
    [
        "<meta charset=UTF-8>",
        "<meta charset=utf8>",
        "<META http-equiv=Content-Type content='text/html;charset=unicode-1-1-utf-8'>",
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<meta charset=no-such>",
        "<meta charset=utf-8><body>" + " " * 1000 + "<p><meta charset=koi8-r>",
        "<!-- <meta charset=koi8-r> --><meta name=description content='charset=koi8-r'>",
        "<script charset=koi8-r src=x></script>",
        "<p>\r\n\0 charset=koi8-r\r</p>\n\n",
        "\ufeff<meta charset=utf-8>",
        "\ufeff\ufeff",
        "",
    ],
)
def test_page_that_says_utf_8_is_kept_byte_for_byte(page: str) -> None:
    body = f"{page}<p>Мюнхен".encode()
    assert in_utf_8(body, "text/html; charset=utf-8") == body
    assert decode(body, "text/html; charset=utf-8") == body.decode("utf-8-sig")


def test_nothing_but_declarations_is_changed() -> None:
    start = "<!-- charset=koi8-r -->\r\n<meta name=a content='charset=koi8-r'\t><meta charset = '"
    middle = "' >\n<!-- <meta charset=koi8-r> --><meta charset=no-such><meta charset="
    end = f">{' ' * 1000}<p>charset=koi8-r \xa0&amp;\0\r Мюнхен<meta charset=koi8-r>"
    body = f"{start}koi8-r{middle}cp1251{end}".encode("koi8-r")
    assert in_utf_8(body) == f"{start}utf-8{middle}utf-8{end}".encode()


def test_byte_order_mark_is_kept_as_that_of_utf_8() -> None:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        body = f"\ufeff{META}<p>Мюнхен".encode(encoding)
        assert in_utf_8(body) == "\ufeff<meta charset=utf-8><p>Мюнхен".encode()


HTML = st.text("<>!-/?='\" \nmetacharsxlinko8;hquv1", max_size=40)
PRAGMA = "<meta http-equiv=content-type content='a; charset=cp1251'>"
PIECES = [META, PRAGMA, "<!--", "-->", "<script>", "</script>", "<?xml encoding='cp1251'?>"]
PIECES += ["<body>", "<title>", "Мюнхен", "x" * 1000, "<p>"]


@given(
    st.lists(st.one_of(HTML, st.sampled_from(PIECES))).map("".join),
    st.sampled_from(["", "; charset=koi8-r"]),
)
def test_kept_page_declares_utf_8_or_nothing(page: str, parameter: str) -> None:
    saved = in_utf_8(page.encode("koi8-r", "replace"), f"text/html{parameter}")
    for declaration in (*declarations_in_meta(saved), declared_in_xml(saved)):
        assert declaration is None or declaration.named.name == "utf-8"
    assert in_utf_8(saved, "text/html; charset=utf-8") == saved


def test_long_content_type_is_read_quickly() -> None:
    began = time.process_time()
    assert decode(b"<p>x", f"text/html; charset={' ' * 20_000}!") == "<p>x"
    assert time.process_time() - began < 1
