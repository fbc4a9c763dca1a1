"""Redirects: where they may lead, and which headers go along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.task import Method
from download_worker.errors import DownloadError, Reason
from download_worker.http.addresses import ascii_url
from download_worker.http.messages import Request, Response
from download_worker.http.redirects import follow_redirect, redirect_location

SECRETS = (
    ("Authorization", "Bearer s"),
    ("Cookie", "s=1"),
    ("X-Api-Key", "s"),
    ("X-Anything", "s"),
)
REQUEST = Request("https://example.com/a/b?c=d", (("Accept", "text/csv"), *SECRETS))


@pytest.mark.parametrize(
    ("status", "headers", "location"),
    [
        (301, {"location": "/x"}, "/x"),
        (302, {}, None),
        (200, {"location": "/x"}, None),
        (304, {"location": "/x"}, None),
    ],
)
def test_redirect_needs_a_status_and_a_location(
    status: int, headers: dict[str, str], location: str | None
) -> None:
    assert redirect_location(Response(REQUEST.url, "1.1", status, headers)) == location


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://example.com/x", "https://example.com/x"),
        ("/x", "https://example.com/x"),
        ("x", "https://example.com/a/x"),
        ("?y", "https://example.com/a/b?y"),
        ("//example.com/x", "https://example.com/x"),
        ("/x#fragment", "https://example.com/x#fragment"),
        ("https://EXAMPLE.com:443/x", "https://EXAMPLE.com:443/x"),
        ("/straße x", "https://example.com/stra%C3%9Fe%20x"),
        ("/already%20encoded", "https://example.com/already%20encoded"),
    ],
)
def test_all_headers_go_along_within_the_origin(location: str, url: str) -> None:
    assert follow_redirect(REQUEST, location, 302) == Request(url, REQUEST.headers)


@pytest.mark.parametrize(
    ("base", "location", "path"),
    [
        ("/web/2026/https://example.org/a", "b", "/web/2026/https://example.org/b"),
        ("/a/b", "c//d?e//f", "/a/c//d?e//f"),
        ("/a//b/c", "../d", "/a//d"),
        ("//a", "b", "//b"),
        ("//a/b", "../../c", "/c"),
        ("", "a//b", "/a//b"),
        ("/a/b;c?d", ";e", "/a/;e"),
        ("/a/b;c?d", "?e", "/a/b;c?e"),
        ("/a/b;c?d", "./", "/a/"),
        ("/a/b;c?d", "../../../e/./f/..", "/e/"),
        ("/a/b", "", "/a/b"),
    ],
)
def test_relative_path_keeps_its_empty_segments(base: str, location: str, path: str) -> None:
    """RFC 3986 section 5.2."""
    followed = follow_redirect(Request(f"https://example.com{base}"), location, 302)
    assert followed == Request(f"https://example.com{path}")


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example/",
        "//other.example/",
        "https://example.com:8443/",
        "https://sub.example.com/",
        "https://example.com./",
        r"https://example.com\.other.example/",
        "https://bücher.example/",
    ],
)
def test_credentials_stay_behind_at_another_origin(location: str) -> None:
    assert follow_redirect(REQUEST, location, 302).headers == (("Accept", "text/csv"),)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_headers_about_a_body_stay_behind_with_it(status: int) -> None:
    about_body = (("Content-Type", "application/json"), ("content-language", "de"))
    post = Request(REQUEST.url, (*about_body, *SECRETS), Method.POST, b"{}")
    same = Request("https://example.com/x", post.headers, Method.POST, b"{}")
    get = Request("https://example.com/x", SECRETS)
    assert follow_redirect(post, "/x", status) == (same if status in (307, 308) else get)


def test_https_is_another_origin_than_http() -> None:
    request = Request("http://example.com/", SECRETS)
    assert follow_redirect(request, "https://example.com/", 301) == Request("https://example.com/")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://example.com/", "http from https"),
        ("ftp://example.com/", "not http or https"),
        ("file:///etc/passwd", "not http or https"),
        ("javascript:alert(1)", "not http or https"),
        ("https://user:secret@example.com/", "user name"),
        ("https://example.com:99999/", "invalid address"),
        ("https://[::1", "invalid address"),
        (f"https://{'ü' * 70}.example/", "invalid address"),
        ("https://straße.example/", "invalid address"),
        ("https://a\u200db.example/", "invalid address"),
    ],
)
def test_other_targets_are_refused(location: str, sentence: str) -> None:
    with pytest.raises(DownloadError, match=sentence) as caught:
        follow_redirect(REQUEST, location, 307)
    assert caught.value.reason is Reason.BAD_REDIRECT
    assert caught.value.permanent
    assert caught.value.status == 307
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bücher.example:8443/ü", "https://xn--bcher-kva.example:8443/%C3%BC"),
        ("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
        ("https://пример.рф:8443/", "https://xn--e1afmkfd.xn--p1ai:8443/"),
        ("https://example。中国:8443/", "https://example.xn--fiqs8s:8443/"),
        ("http://bücher:80/", "http://xn--bcher-kva:80/"),
    ],
)
def test_host_name_is_written_in_idna(url: str, expected: str) -> None:
    assert ascii_url(url) == expected


@given(st.text(max_size=40))
def test_any_location_is_followed_in_ascii_or_refused(location: str) -> None:
    try:
        target = follow_redirect(REQUEST, location, 302)
    except DownloadError:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert " " not in target.url
