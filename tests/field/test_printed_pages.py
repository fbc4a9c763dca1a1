"""Pages printed by the real Chromium: letters, and images that scripts load late."""

import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from download_worker.formats.chromium import PROGRAM
from download_worker.formats.pdf_view import MAX_PAGE_PIXELS, MAX_VIEW_PIXELS
from tests.support.attempts import Pod
from tests.support.http_faults import Behaviour, Exchange, FaultServer, respond
from tests.support.pdf import MISSING_GLYPH, count_pages, glyphs
from tools import images

HTML = "Content-Type: text/html; charset=utf-8"
IMAGE = (
    b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'>"
    b"<rect width='40' height='40' fill='red'/></svg>"
)
OBSERVER = """<script>
const observer = new IntersectionObserver(entries => entries.forEach(entry => {
  if (entry.isIntersecting) { entry.target.src = entry.target.dataset.src;
                              observer.unobserve(entry.target); }
}));
document.querySelectorAll('img[data-src]').forEach(image => observer.observe(image));
</script>"""
LISTENER = """<script>
const load = () => document.querySelectorAll('img[data-src]').forEach(image => {
  if (image.getBoundingClientRect().top < innerHeight) image.src = image.dataset.src;
});
addEventListener('scroll', load); addEventListener('resize', load); load();
</script>"""
LATE = "<img width=40 height=40 data-src=/io.png>"
HEIGHT_BY_SCRIPT = """<div id=hero style=background:red></div><script>
const fill = () => document.getElementById('hero').style.height = innerHeight + 'px';
addEventListener('resize', fill); fill();
</script>"""


def space(pixels: int) -> str:
    return f"<div style=height:{pixels}px></div>"


def page(text: str) -> Behaviour:
    return respond(200, f"<!doctype html><body style=margin:0>{text}".encode(), HTML)


def image(exchange: Exchange) -> None:
    respond(200, IMAGE, "Content-Type: image/svg+xml")(exchange)


def slow(exchange: Exchange) -> None:
    exchange.closing.wait(0.3)
    respond(200, b"")(exchange)


def paths(server: FaultServer) -> list[str]:
    return [text.split(" ")[1] for text in server.requests]


def print_page(pod: Pod, url: str, **variables: str) -> bytes:
    attempt = pod.run(url, file_format="pdf", **variables)
    assert attempt.code == 0, attempt.out
    (pdf,) = pod.files().values()
    return pdf


@dataclass(frozen=True)
class Case:
    """A row: a page, and whether its late image is asked for.

    Args:
        source: the public report, or the standard.
        situation: in our words. It names the test.
        text: of the page.
        is_loaded: whether the image at /io.png is asked for.
        others: behaviours by path.
    """

    source: str
    situation: str
    text: str
    is_loaded: bool = True
    others: Mapping[str, Behaviour] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.situation


CASES = [
    Case(
        "puppeteer/puppeteer#5081",
        "an image that an observer loads",
        space(5000) + LATE + OBSERVER,
    ),
    Case(
        "alvarcarto/url-to-pdf-api#2",
        "an image that a listener for scrolling loads",
        space(5000) + LATE + LISTENER,
    ),
    Case(
        "PejmanNik/puppeteer-report#39",
        "an image below a picture that is as tall as the view",
        "<div style=height:100vh></div>" + space(9000) + LATE + OBSERVER,
    ),
    Case(
        "puppeteer/examples#31",
        "an image at the end of a page that is taller than any view",
        space(3 * MAX_VIEW_PIXELS + 100) + LATE + OBSERVER,
    ),
    Case(
        "puppeteer/puppeteer#5081",
        "an image at the end of the tallest page",
        space(MAX_PAGE_PIXELS - 100) + LATE + OBSERVER,
    ),
    Case(
        "puppeteer/puppeteer#5081",
        "an image below the tallest page",
        space(MAX_PAGE_PIXELS + MAX_VIEW_PIXELS) + LATE + OBSERVER,
        is_loaded=False,
    ),
    Case(
        "whatwg/html#6581",
        "an image that loads another page's part before it",
        space(5000) + "<div id=part></div><script>new IntersectionObserver((entries, observer) => {"
        "if (entries[0].isIntersecting) { observer.disconnect(); fetch('/part').then(r => r.text())"
        ".then(t => setTimeout(() => document.getElementById('part').innerHTML = t, 200)); }"
        "}).observe(document.getElementById('part'))</script>",
        others={"/part": respond(200, b"<img src=/io.png>")},
    ),
    Case(
        "puppeteer/puppeteer#5081",
        "a page that asks its server again and again",
        space(5000)
        + LATE
        + OBSERVER
        + "<script>(function poll() { fetch('/poll').then(poll) })()</script>",
        others={"/poll": slow},
    ),
    Case(
        "RFC 9110, 9.2.1",
        "a dialog that opens when the page is in view",
        space(5000)
        + LATE
        + OBSERVER
        + "<script>addEventListener('resize', () => alert(1))</script>",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, pod: Pod, server: FaultServer) -> None:
    server.on("/io.png", image)
    for path, behaviour in case.others.items():
        server.on(path, behaviour)

    print_page(pod, server.on("/x", page(case.text)))

    assert ("/io.png" in paths(server)) == case.is_loaded


@pytest.mark.parametrize(
    "policies",
    [
        ["default-src * 'unsafe-inline', img-src 'none'"],
        ["img-src 'none', default-src *"],
        ["img-src 'none'", "default-src *"],
        ["default-src *", "img-src 'none'"],
    ],
    ids=" + ".join,
)
def test_every_policy_of_a_page_counts(pod: Pod, server: FaultServer, policies: list[str]) -> None:
    """Several lines mean the same as several policies on one line (RFC 9110, 5.3)."""
    server.on("/io.png", image)
    body = b"<!doctype html><img src=/io.png>"
    lines = (f"Content-Security-Policy: {policy}" for policy in policies)

    print_page(pod, server.on("/x", respond(200, body, HTML, *lines)))

    assert paths(server) == ["/x"]


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (HEIGHT_BY_SCRIPT + space(5000), 6),
        ("<div style=height:100vh;background:red></div>" + space(5000), 6),
        ("<style>@media print { div { height: 100px !important } }</style>" + space(5000), 1),
        (space(5000) + "<p style=position:fixed;bottom:0>foot", 5),
        (
            "<style>@media (min-height: 2000px) { div { height: 9000px !important } }</style>"
            + space(3000),
            3,
        ),
    ],
)
def test_layout_of_the_print_is_that_of_the_usual_view(
    pod: Pod, server: FaultServer, text: str, pages: int
) -> None:
    assert count_pages(print_page(pod, server.on("/x", page(text)))) == pages


def test_feed_that_goes_on_forever_is_printed(pod: Pod, server: FaultServer) -> None:
    feed = (
        "<div id=end>end</div><script>new IntersectionObserver(entries => {"
        "if (entries[0].isIntersecting) document.getElementById('end').insertAdjacentHTML("
        "'beforebegin', '<div style=height:2000px>more</div>')"
        "}).observe(document.getElementById('end'))</script>"
    )

    pdf = print_page(pod, server.on("/x", page(feed)))

    assert 1 < count_pages(pdf) < 200


LANGUAGES = {
    "Chinese": "中文 簡體繁體 龍",
    "Japanese": "日本語 ひらがな カタカナ",
    "Korean": "한국어 조선말 뷁",
    "Thai": "ไทย ภาษาไทย",
    "Hindi": "हिन्दी संस्कृतम्",
    "Bengali": "বাংলা",
    "Tamil": "தமிழ்",
    "Burmese": "မြန်မာ",
    "Khmer": "ខ្មែរ",
    "Amharic": "አማርኛ",
    "Arabic": "العربية",
    "Hebrew": "עברית",
    "Greek and Russian": "Ελληνικά русский",
}


@pytest.fixture(scope="module")
def image_fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the fonts of the image, and their configuration."""
    folder = tmp_path_factory.mktemp("image")
    with tarfile.open(images.build("worker-pdf")["worker-pdf"]) as archive:
        for layer in (name for name in archive.getnames() if name.endswith(".tar")):
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                members = [
                    member
                    for member in files
                    if member.name.removeprefix("./").startswith("usr/share/fonts/")
                ]
                files.extractall(folder, members, filter="data")
    return folder / "usr" / "share" / "fonts"


def with_fonts(fonts: Path, folder: Path) -> str:
    """Return a PATH on which Chromium has no other fonts than these."""
    configuration = folder / "fonts.conf"
    configuration.write_text(
        f"<fontconfig><dir>{fonts}</dir><cachedir>{folder}/cache</cachedir></fontconfig>"
    )
    program = folder / "bin" / PROGRAM
    program.parent.mkdir()
    real = shutil.which(PROGRAM)
    program.write_text(f'#!/bin/sh\nFONTCONFIG_FILE={configuration} exec {real} "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    "style", ["", "font-family:serif", "font-family:monospace;font-weight:bold"]
)
def test_image_has_the_letters_of_many_languages(
    pod: Pod, server: FaultServer, tmp_path: Path, image_fonts: Path, style: str
) -> None:
    text = "".join(f"<p>{words}" for words in LANGUAGES.values())
    url = server.on("/x", page(f"<div style='{style}'>{text}</div>"))

    pdf = print_page(pod, url, PATH=with_fonts(image_fonts, tmp_path))

    assert MISSING_GLYPH not in glyphs(pdf)
    assert len(glyphs(pdf)) > 50


def test_letters_are_missing_without_the_fonts(
    pod: Pod, server: FaultServer, tmp_path: Path, image_fonts: Path
) -> None:
    """Without this, the test above would prove nothing."""
    url = server.on("/x", page("".join(f"<p>{words}" for words in LANGUAGES.values())))
    dejavu = image_fonts / "truetype" / "dejavu"

    pdf = print_page(pod, url, PATH=with_fonts(dejavu, tmp_path))

    assert MISSING_GLYPH in glyphs(pdf)
