"""Where a link leads."""

import pytest
import trafilatura

from download_worker.formats.links import base_address, link_address, resolve_links

URL = "https://example.com/news/2026/index.html?q=1"


@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("doc.html", "https://example.com/news/2026/doc.html"),
        ("./doc.html", "https://example.com/news/2026/doc.html"),
        ("../up.html", "https://example.com/news/up.html"),
        ("../../../../up.html", "https://example.com/up.html"),
        ("/root.html", "https://example.com/root.html"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("?page=2", "https://example.com/news/2026/index.html?page=2"),
        ("#part", "https://example.com/news/2026/index.html?q=1#part"),
        ("sub/", "https://example.com/news/2026/sub/"),
        (" \n doc.html\t ", "https://example.com/news/2026/doc.html"),
        ("a b.html", "https://example.com/news/2026/a b.html"),
        ("日本.html", "https://example.com/news/2026/日本.html"),
        *(
            (href, href)
            for href in (
                "http://example.com/a/../b?",
                "https://other.example/",
                "mailto:desk@example.com",
                "tel:+49",
                "javascript:void(0)",
                "data:text/plain,x",
                "ftp://example.com/",
                "custom:thing",
                "http://[",
                "//[",
                "http://[v1.x]:y/",
            )
        ),
    ],
)
def test_link_is_resolved_against_the_page(href: str, address: str) -> None:
    assert link_address(URL, href) == address


@pytest.mark.parametrize(
    ("hrefs", "base"),
    [
        ([], URL),
        (["/static/en/"], "https://example.com/static/en/"),
        (["en/"], "https://example.com/news/2026/en/"),
        (["//cdn.example/x/"], "https://cdn.example/x/"),
        ([" https://other.example/a/b "], "https://other.example/a/b"),
        ([None, "/first/", "/second/"], "https://example.com/first/"),
        (["", "/second/"], URL),
        (["data:text/plain,x"], URL),
        (["javascript:x", "/second/"], URL),
        (["http://["], URL),
    ],
)
def test_first_base_element_counts(hrefs: list[str | None], base: str) -> None:
    assert base_address(URL, hrefs) == base


def test_links_of_a_page_become_absolute() -> None:
    page = trafilatura.load_html(
        "<html><head><base target=_top><base href=/static/en/><base href=/other/></head>"
        "<body><a href=doc.html>1</a><a>2</a><a href=''>3</a><a href=#x>4</a></body></html>"
    )
    assert page is not None
    resolve_links(page, URL)
    assert [element.get("href") for element in page.iter("a")] == [
        "https://example.com/static/en/doc.html",
        None,
        "",
        "https://example.com/static/en/#x",
    ]
