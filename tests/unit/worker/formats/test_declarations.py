"""Where a page names its encoding."""

import time

import pytest

from download_worker.formats.declarations import (
    MAX_HEAD_BYTES,
    PRESCAN_BYTES,
    declarations_in_meta,
    declared_in_xml,
)

KOI8 = "koi8-r"
FILLER = "<!--" + "x" * 2000 + "-->"
PRAGMA = '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">'


def encoding(page: str) -> str | None:
    declarations = declarations_in_meta(page.encode())
    return declarations[0].meant.name if declarations else None


@pytest.mark.parametrize("start", ["", "<!doctype html><html><head>", FILLER], ids=str.__len__)
@pytest.mark.parametrize(
    "meta",
    [
        *("<meta charset=koi8-r>", "<meta charset='koi8-r'>", '<META CHARSET="KOI8-R">'),
        *("<meta/charset='koi8-r'/>", "<meta\ncharset\n=\nkoi8-r>", "<meta charset=' koi8-r '>"),
        *("<meta name=x charset=koi8-r>", "<meta charset=koi8-r charset=cp1251>", PRAGMA),
        "<meta content='text/html; charset=koi8-r' http-equiv=content-type>",
        "<meta http-equiv=content-type content='charset=koi8-r;x'>",
        "<meta http-equiv=content-type content='text/html; CHARSET = \"koi8-r\"; x'>",
        "<meta http-equiv=content-type content='text/html; charset charset=koi8-r'>",
        "<meta http-equiv=content-type content=text/html;charset=koi8-r>",
        "<meta charset=no-such http-equiv=content-type content='charset=koi8-r'>",
        *("<meta charset=no-such><meta charset=koi8-r>", "<meta><meta charset=koi8-r>"),
        *("<!-- <meta charset=cp1251> --><meta charset=koi8-r>", "<!--><meta charset=koi8-r>"),
        "<!---><meta charset=koi8-r><!-- -->",
        "<!-- --!><meta charset=koi8-r>",
        '<meta name=description content="charset=cp1251"><meta charset=koi8-r>',
        "<meta http-equiv=refresh content='0; url=?charset=cp1251'><meta charset=koi8-r>",
        "<link title='<meta charset=cp1251>'><meta charset=koi8-r>",
        "<script>'<meta charset=cp1251>'</script><meta charset=koi8-r>",
        "<title><meta charset=cp1251></title><meta charset=koi8-r>",
        "<style><meta charset=cp1251></style><meta charset=koi8-r>",
        "<noscript><meta charset=koi8-r></noscript>",
        "</meta charset=cp1251><meta charset=koi8-r>",
        "<?php charset=cp1251 ?><meta charset=koi8-r>",
        "< meta charset=cp1251><meta charset=koi8-r>",
    ],
)
def test_meta_element_declares_the_encoding(start: str, meta: str) -> None:
    assert encoding(start + meta + "<p>text") == KOI8


@pytest.mark.parametrize("start", ["", FILLER], ids=str.__len__)
@pytest.mark.parametrize(
    "page",
    [
        *("", "<p>text", "<!-- <meta charset=koi8-r>", "<!-- <meta charset=koi8-r> -->"),
        *("<meta charset=no-such>", "<meta charset>", "<meta charset=>", "<meta charset='koi8-r>"),
        *(
            "<meta charset=koi8-r",
            "<meta charset=",
            "<metacharset=koi8-r>",
            "<meta content=koi8-r>",
        ),
        *("<meta content='charset=koi8-r'>", "<meta http-equiv=content-type charset=''>"),
        "<meta http-equiv=refresh content='charset=koi8-r'>",
        "<meta http-equiv=content-type content='koi8-r'>",
        "<meta http-equiv=content-type content='charset koi8-r'>",
        "<meta http-equiv content='charset=koi8-r'>",
        "<meta name=viewport content='text/html; charset=koi8-r'>",
        "<link charset=koi8-r>",
        "</meta charset=koi8-r>",
        "<meta charset=replacement>",
        "<p title='<meta charset=koi8-r>'>",
    ],
)
def test_other_markup_declares_nothing(start: str, page: str) -> None:
    assert encoding(start + page) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("utf-16", "utf-8"), ("utf-16be", "utf-8"), ("x-user-defined", "windows-1252")],
)
def test_some_names_mean_another_encoding(name: str, meant: str) -> None:
    assert encoding(f"<meta charset={name}>") == meant


def test_declaration_says_where_the_name_is() -> None:
    page = f"<!-- koi8-r -->{PRAGMA}".encode()
    (declaration,) = declarations_in_meta(page)
    assert page[declaration.start : declaration.end] == b"koi8-r"
    assert declaration.start > page.index(b"charset=")


@pytest.mark.parametrize("element", ["script", "style", "title", "textarea", "xmp", "iframe"])
def test_prescan_looks_into_elements_without_tags(element: str) -> None:
    page = f"<{element}><meta charset=koi8-r></{element}>"
    assert encoding(page) == KOI8
    assert encoding(FILLER + page) is None


def test_every_declaration_of_the_head_is_returned() -> None:
    page = (
        f"<meta charset=cp1251>{FILLER}{PRAGMA}<meta charset=no-such></head><meta charset=cp1252>"
    )
    names = [declaration.named.name for declaration in declarations_in_meta(page.encode())]
    assert names == ["windows-1251", KOI8]


def test_head_is_searched_to_its_end() -> None:
    head = f"<head><title>x</title>{FILLER}<script>x</script><link><base>"
    meta = "<meta charset=koi8-r>"
    assert encoding(head + meta) == KOI8
    for end in ("</head>", "<body>", "<p>", "<div><link>", "<img><link>"):
        assert encoding(head + end + meta) is None


def test_first_bytes_are_searched_whatever_is_in_them() -> None:
    meta = "<meta charset=koi8-r>"
    body = "<body>" + "<p>" * ((PRESCAN_BYTES - 6 - len(meta)) // 3)
    assert encoding(body + meta) == KOI8
    assert encoding(body + "<p>" * 8 + meta) is None


def test_limit_of_a_head_is_exact() -> None:
    meta = "<meta charset=koi8-r>"
    filler = f"<!--{'x' * (MAX_HEAD_BYTES - len(meta) - 7)}-->"
    assert encoding(filler + meta) == KOI8
    assert encoding(filler + " " + meta) is None


@pytest.mark.parametrize(
    ("page", "name"),
    [
        *(
            ("<?xml encoding='koi8-r'?>", KOI8),
            ("<?xml version='1.0' encoding = \"koi8-r\"?>", KOI8),
        ),
        *(("<?xml encoding='utf-16'?>", "utf-8"), ("<?xml encoding=koi8-r?>", None)),
        *(("<?xml encoding='koi8-r\"?>", None), ("<?xml encoding='koi8 r'?>", None)),
        *((" <?xml encoding='koi8-r'?>", None), ("<?xml encoding='no-such'?>", None)),
        *(("<?xml?> encoding='koi8-r'", None), ("<?xml encoding='koi8-r", None)),
        (f"<?xml {' ' * PRESCAN_BYTES} encoding='koi8-r'?>", None),
    ],
)
def test_xml_declaration_declares_the_encoding(page: str, name: str | None) -> None:
    declaration = declared_in_xml(page.encode())
    assert (declaration.meant.name if declaration else None) == name


HOSTILE = {
    "attributes": b"<meta" + b" a" * 500_000,
    "blanks": b"<meta" + b" " * 500_000 + b"=",
    "brackets": b"<" * 500_000,
    "charsets": b"<meta http-equiv=content-type content='" + b'charset="' * 50_000 + b"'>",
    "comments": b"<!-->" * 100_000,
    "ends": b"</" * 250_000,
    "encodings": b"<?xml " + b"encoding='" * 50_000,
    "equals": b"<meta" + b" =" * 250_000,
    "hyphens": b"<!--" + b"-" * 500_000,
    "metas": b"<meta>" * 100_000,
    "quotes": b"<meta " + b"a='\" " * 100_000,
    "scripts": b"<script>" + b"</script" * 50_000,
    "slashes": b"<meta " + b"/" * 500_000,
    "titles": b"<title>" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_size_only(name: str) -> None:
    page = HOSTILE[name]
    began = time.process_time()
    declarations_in_meta(page)
    declared_in_xml(page)
    assert time.process_time() - began < 5
