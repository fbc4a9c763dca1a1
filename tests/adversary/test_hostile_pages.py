"""Pages that are made to cost their reader a lot, given to the worker as a Pod runs it.

Each case prints what a mebibyte of its page takes. `docs/benchmarks/worker.md` has the figures.
"""

import os
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from download_schedule.attempt.result import decode
from download_schedule.attempt.variables import MEMORY_LIMIT_VARIABLE
from download_worker.body import MAX_CONVERTED_BYTES
from download_worker.formats.article import CPU_SECONDS, MAX_ARTICLE_PAGE_BYTES, extract_article
from download_worker.formats.article_child import KILL_SECONDS
from download_worker.formats.converters import DEFAULT_MEMORY_BYTES
from download_worker.http.messages import Response
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer, respond

MEBIBYTE = 1024**2
HTML = "Content-Type: text/html; charset=utf-8"
TEXT = "The harbour was closed on Monday because of the storm, the port authority said. "
ORDINARY = f'<h2>Harbour</h2><p>{TEXT * 5}<a href="/ferries">Ferries</a> sail again.</p>\n'
START_SECONDS = 5
"""Processor time of the worker itself, and of loading the libraries."""

REPEATED = {
    "article": f"<article><p>{TEXT}</p></article>",
    "bold": "<b>x</b>",
    "broken tags": "<a",
    "broken values": '<a b="',
    "cells": "<td>x",
    "character data": "<![CDATA[x]]>",
    "code": "<code>x</code>",
    "combining characters": "a\u0301",
    "comment": "<!--x-->",
    "declarations": "<!ELEMENT x>",
    "definition": "<dl><dt>x<dd>y</dl>",
    "details": "<details><summary>x</summary>",
    "divs": "<div>x</div>",
    "emoji": "\U0001f600",
    "embedded images": '<img src="data:image/png;base64,iVBORw0KGgo=">',
    "entities": "&amp;",
    "forms": "<form><input>",
    "headings": "<h1>x</h1>",
    "images": "<img src=x>",
    "instructions": "<?x y?>",
    "less-than": "<",
    "line breaks": "<br>",
    "linked data": '<script type="application/ld+json">{"articleBody": "x"}</script>',
    "links": '<a href="x">y</a>',
    "list items": "<li>x",
    "nested blocks": "<div>",
    "nested bold": "<b>x",
    "nested formulas": "<math><mrow>",
    "nested lists": "<ul><li>",
    "nested spans": "<span>x",
    "nested tables": "<table><tr><td>",
    "nested vectors": "<svg><g>",
    "nothing": "\0",
    "numbered entities": "&#x1F600;",
    "options": "<select><option>x",
    "paragraphs": "<p>x",
    "quotes": "<blockquote>x</blockquote>",
    "rows": "<tr><td>x</td><td>y</td></tr>",
    "scripts": "<script>x</script>",
    "spaces": " ",
    "spans": "<span>x</span>",
    "styles": "<style>a{b:c}</style>",
    "templates": "<template><p>x</template>",
    "text": TEXT,
    "vectors": "<svg><path d='x'/></svg>",
}
"""What a hostile page repeats."""
ONE = {
    "attribute": ('<p title="', "x", '">'),
    "comment": ("<!--", "x", "-->"),
    "embedded image": ('<img src="data:image/png;base64,', "A", '">'),
    "entity": ("<p>&", "x", ";</p>"),
    "script": ("<script>", "x()\n", "</script>"),
    "style": ("<style>", "a>b{c:d}", "</style>"),
    "tag": ("<", "x", ">"),
    "title": ("<title>", "x", "</title>"),
    "word": ("<p>", "x", "</p>"),
}
"""What a hostile page has once, as large as the page: its beginning, what fills it, its end."""
ENTITY_BOMB = (
    '<!DOCTYPE html [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in pairwise("abcdefgh"))
    + "]><html><body><p>&h;</p></body></html>"
)
"""XML parsers make 2.5 GB of it."""
OPENED_BY = {"cells": "<table><tr>", "rows": "<table>"}


def hostile_page(name: str, size: int) -> bytes:
    if name == "attributes":
        repeated = "".join(f" a{number}=x" for number in range(size // 9))
        return f"<!doctype html><html><p{repeated}>{TEXT * 10}</html>"[:size].encode()
    repeated = REPEATED[name]
    start = f"<!doctype html><html><title>x</title><p>{TEXT * 10}</p>{OPENED_BY.get(name, '')}"
    return (start + repeated * ((size - len(start)) // len(repeated.encode()))).encode()


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended, and what it took."""

    code: int
    reason: str | None
    cpu_seconds: float
    memory_bytes: int
    """Most that one of its processes had in memory."""
    wall_seconds: float


def attempt(
    pod: Pod,
    server: FaultServer,
    file_format: str,
    page: bytes,
    content_type: str = HTML,
    **variables: Any,
) -> Attempt:
    """Make one attempt, and measure it with its child."""
    url = server.on("/page.html", respond(200, page, content_type))
    began = time.monotonic()
    process = pod.start(url, file_format=file_format, **variables)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for pipe in (process.stdout, process.stderr):
        assert pipe
        pipe.close()
    document = pod.termination_log.read_text()
    return Attempt(
        process.returncode,
        decode(document).reason,
        usage.ru_utime + usage.ru_stime,
        pod.peak_memory(),
        time.monotonic() - began,
    )


def assert_within_limits(outcome: Attempt) -> None:
    assert (outcome.code, outcome.reason) in {(0, None), (10, "TooComplex"), (10, "NoArticle")}
    assert outcome.cpu_seconds < CPU_SECONDS + KILL_SECONDS + START_SECONDS
    assert outcome.memory_bytes < DEFAULT_MEMORY_BYTES


@pytest.mark.parametrize("name", ["attributes", *REPEATED])
def test_hostile_page_stays_within_the_limits(pod: Pod, server: FaultServer, name: str) -> None:
    page = hostile_page(name, MEBIBYTE // 16)
    outcome = attempt(pod, server, "markdown", page)
    print(
        f"{name}: {outcome.cpu_seconds * 16:.0f} s and {outcome.memory_bytes * 16 // MEBIBYTE} MiB "
        f"a MiB, {outcome.reason or 'converted'}"
    )
    assert_within_limits(outcome)


@pytest.mark.parametrize("name", ONE)
def test_page_with_one_huge_part_stays_within_the_limits(
    pod: Pod, server: FaultServer, name: str
) -> None:
    start, filling, end = ONE[name]
    start = f"<!doctype html><html><p>{TEXT * 10}</p>{start}"
    size = MAX_ARTICLE_PAGE_BYTES - len(start) - len(end)
    page = start + filling * (size // len(filling)) + end
    outcome = attempt(pod, server, "markdown", page.encode())
    print(f"{name}: {outcome.cpu_seconds:.0f} s, {outcome.memory_bytes // MEBIBYTE} MiB")
    assert_within_limits(outcome)


@pytest.mark.parametrize("media_type", ["text/html", "application/xhtml+xml"])
@pytest.mark.parametrize("file_format", ["html", "text", "json"])
def test_entities_are_not_expanded_without_end(
    pod: Pod, server: FaultServer, media_type: str, file_format: str
) -> None:
    outcome = attempt(pod, server, file_format, ENTITY_BOMB.encode(), f"Content-Type: {media_type}")
    assert_within_limits(outcome)
    assert sum(map(len, pod.files().values())) < 10_000


@pytest.mark.parametrize("name", ["links", "list items", "paragraphs"])
def test_largest_hostile_page_is_too_complex(pod: Pod, server: FaultServer, name: str) -> None:
    """Without the limits, these take 1 to 3 GiB."""
    outcome = attempt(pod, server, "text", hostile_page(name, MAX_ARTICLE_PAGE_BYTES))
    assert_within_limits(outcome)
    assert outcome.reason == "TooComplex"
    assert pod.files() == {}


@pytest.mark.parametrize("mebibytes", [192, 256, 512])
def test_page_stays_within_a_smaller_container(
    pod: Pod, server: FaultServer, mebibytes: int
) -> None:
    limit = {MEMORY_LIMIT_VARIABLE: str(mebibytes * MEBIBYTE)}
    outcome = attempt(pod, server, "text", hostile_page("links", 4 * MEBIBYTE), **limit)
    assert (outcome.code, outcome.reason) == (10, "TooComplex")
    assert outcome.memory_bytes < mebibytes * MEBIBYTE


def test_page_that_takes_minutes_is_stopped() -> None:
    began = os.times()
    response = Response("http://example.com/", "1.1", 200, {"content-type": "text/html"})
    with pytest.raises(Exception, match="more than 2 seconds of processor time"):
        extract_article(
            response,
            hostile_page("cells", MEBIBYTE),
            output_format="markdown",
            memory_bytes=DEFAULT_MEMORY_BYTES,
            stopped=lambda: False,
            cpu_seconds=2,
        )
    ended = os.times()
    assert ended.children_user + ended.children_system < (
        began.children_user + began.children_system + 2 + START_SECONDS
    )


@pytest.mark.parametrize("file_format", ["text", "markdown"])
def test_largest_ordinary_page_is_converted(
    pod: Pod, server: FaultServer, file_format: str
) -> None:
    start = "<!doctype html><html><head><title>x</title></head><body><article>"
    page = start + ORDINARY * ((MAX_ARTICLE_PAGE_BYTES - len(start) - 30) // len(ORDINARY))
    outcome = attempt(pod, server, file_format, (page + "</article></body></html>").encode())
    assert (outcome.code, outcome.reason) == (0, None)
    (content,) = pod.files().values()
    assert content.count(b"sail again") == page.count("sail again")


@pytest.mark.parametrize("file_format", ["html", "json"])
def test_largest_body_of_other_formats_stays_within_the_limits(
    pod: Pod, server: FaultServer, file_format: str
) -> None:
    """One emoji makes Python take four bytes for every character."""
    page = "<html>\U0001f600".encode()
    page += b"x" * (MAX_CONVERTED_BYTES - len(page))
    outcome = attempt(pod, server, file_format, page)
    assert (outcome.code, outcome.reason) == (0, None)
    assert_within_limits(outcome)


@pytest.mark.parametrize("repeated", ["<meta>", "<link a=b>", "<!-->", "<meta" + " a" * 9999 + ">"])
def test_largest_hostile_head_stays_within_the_limits(
    pod: Pod, server: FaultServer, repeated: str
) -> None:
    page = repeated.encode() * (MAX_CONVERTED_BYTES // len(repeated))
    outcome = attempt(pod, server, "html", page)
    assert (outcome.code, outcome.reason) == (0, None)
    assert_within_limits(outcome)


@pytest.mark.parametrize("unit", [b"\xff", b"\xad\xa1", b"\xa1\xc1"])
def test_largest_page_of_bytes_that_cannot_be_read_stays_within_the_limits(
    pod: Pod, server: FaultServer, unit: bytes
) -> None:
    page = b"<meta charset=euc-jp>"
    page += unit * ((MAX_CONVERTED_BYTES - len(page)) // len(unit))
    outcome = attempt(pod, server, "html", page, content_type="Content-Type: text/html")
    assert (outcome.code, outcome.reason) == (0, None)
    assert_within_limits(outcome)


@pytest.mark.parametrize(("size", "reason"), [(0, None), (1, "TooLarge")])
def test_cap_of_a_page_is_exact(
    pod: Pod, server: FaultServer, size: int, reason: str | None
) -> None:
    page = f"<!doctype html><html><p>{TEXT * 10}<!--".encode()
    page += b"x" * (MAX_ARTICLE_PAGE_BYTES + size - len(page) - 10) + b"--></html>"
    assert len(page) == MAX_ARTICLE_PAGE_BYTES + size
    assert attempt(pod, server, "text", page).reason == reason
