"""Pages that are kept as text or Markdown: their links, and what is not the article."""

import pytest

from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer, respond

TEXT = "The harbour was closed on Monday because of the storm, the port authority said. " * 8
HTML = "Content-Type: text/html; charset=utf-8"


def links(pod: Pod, server: FaultServer, href: str, head: str = "") -> str:
    """Return where a link of a page leads in the file, without the server's origin."""
    page = (
        f"<!DOCTYPE html><html><head>{head}</head><body><h1>Harbour</h1><p>{TEXT}</p>"
        f'<p>Ferries sail again, <a href="{href}">the timetable</a> says.</p></body></html>'
    )
    url = server.on("/news/2026/index.html", respond(200, page.encode(), HTML))
    attempt = pod.run(f"{url}?q=1", file_format="markdown")
    assert attempt.code == 0, attempt.out
    (content,) = pod.files().values()
    start = content.decode().partition("[the timetable](")[2]
    return start.partition(")")[0].replace(server.origin, "")


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("doc.html", "/news/2026/doc.html"),
        ("../up.html", "/news/up.html"),
        ("/root.html", "/root.html"),
        ("?page=2", "/news/2026/index.html?page=2"),
        ("#part", "/news/2026/index.html?q=1#part"),
        ("//cdn.example/x", "http://cdn.example/x"),
        ("https://example.com/ferries", "https://example.com/ferries"),
        ("mailto:desk@example.com", "mailto:desk@example.com"),
        ("tel:+49", "tel:+49"),
        ("javascript:x", "javascript:x"),
        ("data:text/plain,x", "data:text/plain,x"),
        ("http://[", "http://["),
        ("a b.html", "</news/2026/a b.html>"),
    ],
)
def test_link_leads_where_it_leads_in_the_page(
    pod: Pod, server: FaultServer, href: str, target: str
) -> None:
    """As in adbar/courlan#45."""
    assert links(pod, server, href) == target


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("/static/en/", "/static/en/doc.html"),
        ("../en/", "/news/en/doc.html"),
        ("https://cdn.example/a/b", "https://cdn.example/a/doc.html"),
        ("data:text/plain,x", "/news/2026/doc.html"),
        ("", "/news/2026/doc.html"),
    ],
)
def test_base_element_says_against_what_links_are_resolved(
    pod: Pod, server: FaultServer, base: str, target: str
) -> None:
    """As in adbar/trafilatura#382."""
    head = f'<base target=_top><base href="{base}"><base href="/second/">'
    assert links(pod, server, "doc.html", head) == target


def test_links_are_resolved_against_the_address_behind_a_redirect(
    pod: Pod, server: FaultServer
) -> None:
    page = f"<!DOCTYPE html><p>{TEXT}</p><p>{TEXT}<a href=doc.html>more</a></p>"
    server.on("/new/index.html", respond(200, page.encode(), HTML))
    url = server.on("/old.html", respond(301, b"", "Location: /new/index.html"))
    assert pod.run(url, file_format="markdown").code == 0
    (content,) = pod.files().values()
    assert f"[more]({server.origin}/new/doc.html)" in content.decode()


@pytest.mark.parametrize("file_format", ["text", "markdown"])
def test_notice_to_enable_scripts_is_not_an_article(
    pod: Pod, server: FaultServer, file_format: str
) -> None:
    """The page that create-react-app makes."""
    notice = "<noscript>You need to enable JavaScript to run this app.</noscript>"
    page = f"<!DOCTYPE html><title>App</title><body>{notice}<div id=root></div></body>"
    attempt = pod.run(server.on("/x", respond(200, page.encode(), HTML)), file_format=file_format)
    assert attempt.outcome == (10, "NoArticle"), attempt.out
    assert "write format pdf, which runs its scripts" in (attempt.result.message or "")
    assert pod.files() == {}
