"""Web addresses: nothing that counts is lost, and nothing else is let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.http.addresses import Address, ascii_url, resolve

BASE = "http://a/b/c/d;p?q"


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y#s"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g#s/./x"),
        ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("http:g", "http://a/b/c/g"),
    ],
)
def test_examples_of_rfc_3986(reference: str, target: str) -> None:
    """Sections 5.4.1 and 5.4.2; the last one as browsers read it, which the RFC allows."""
    assert resolve(BASE, reference) == target


@pytest.mark.parametrize(
    "reference",
    [
        "/end;?x=1",
        "/end?",
        "/end;",
        "/end#",
        "/end?#",
        "/a?b=;c&&d=?/",
        "/a//b?x=%zz&y=%E4|[]'",
        "/a;b=c,d/~!$&'()*+:@",
    ],
)
def test_reference_is_taken_as_sent(reference: str) -> None:
    assert resolve("https://example.com/x?y#z", reference).startswith(
        f"https://example.com{reference}"
    )


@pytest.mark.parametrize(
    ("base", "reference", "fragment"),
    [
        ("http://h/old#/a", "/app.html", "#/a"),
        ("http://h/old#/a", "https://other/app.html", "#/a"),
        ("http://h/old#/a", "?b", "#/a"),
        ("http://h/old#/a", "/app.html#/b", "#/b"),
        ("http://h/old#/a", "/app.html#", "#"),
        ("http://h/old", "/app.html", ""),
    ],
)
def test_fragment_survives_unless_there_is_another(
    base: str, reference: str, fragment: str
) -> None:
    assert resolve(base, reference).endswith(
        f"/app.html{fragment}" if "app" in reference else "#/a"
    )


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("\\g\\h", "http://a/g/h"),
        ("g\\h?i\\j#k\\l", "http://a/b/c/g/h?i\\j#k\\l"),
        ("\\\\g\\h", "http://g/h"),
        ("/\\g/h", "http://g/h"),
        ("http:\\\\g\\h", "http://g/h"),
        ("http://g\\@h/i", "http://g/@h/i"),
        ("///g/h", "http://g/h"),
        ("http:///g/h", "http://g/h"),
        ("https:/g/h", "https://g/h"),
        ("https:g/h", "https://g/h"),
        ("http:/g/h", "http://a/g/h"),
        ("http:g:h", "http://a/b/c/g:h"),
        ("http:?y", "http://a/b/c/d;p?y"),
        (" \t /g \x00", "http://a/g"),
        ("/g\t/h", "http://a/g/h"),
        ("/g\r\nh", "http://a/gh"),
        ("/g h", "http://a/g%20h"),
        ("/g\x01\x7f", "http://a/g%01%7F"),
        ("/ü?ü#ü", "http://a/%C3%BC?%C3%BC#%C3%BC"),
        ("/g\xa0", "http://a/g%C2%A0"),
        ('/"<>`{|}?"<>`{|}', "http://a/%22%3C%3E%60%7B|%7D?%22%3C%3E`{|}"),
        ("//bücher.example/", "http://xn--bcher-kva.example/"),
        (":80/g", "http://a/b/c/:80/g"),
        ("1:g", "http://a/b/c/1:g"),
    ],
)
def test_what_the_rfc_does_not_allow_is_read_as_browsers_do(reference: str, target: str) -> None:
    """URL Standard."""
    assert ascii_url(resolve(BASE, reference)) == target


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.csv?",
        "https://example.com/a.csv;?x=1",
        "https://example.com",
        "https://example.com?#",
        "https://example.com:443/a//b/../c",
        "HTTPS://EXAMPLE.com/",
    ],
)
def test_ascii_address_stays_as_it_is(url: str) -> None:
    assert ascii_url(url) == url


@given(st.text(alphabet="ab:/?#[]@;.% ", max_size=30))
def test_address_is_put_together_as_it_was(text: str) -> None:
    assert str(Address.parse(text)) == text


@given(st.text(alphabet="ab:/?#@;.\\\t\x00", max_size=20))
def test_resolving_twice_changes_nothing(reference: str) -> None:
    target = resolve("http://a/b?c#d", reference)
    if target.startswith("http"):
        assert resolve(target, target) == target
