"""What the worker reads, and what the real Chromium reads of the same bytes."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import webencodings

from download_worker.formats.charset import decode_page, page_in_utf_8
from download_worker.formats.chromium import PROGRAM
from download_worker.formats.web_encodings import decode
from download_worker.http.messages import Response
from tests.support.http_faults import FaultServer, respond

CP1251 = "text/html; charset=windows-1251"
BODY = "<p id=x>Сегодня"
FILLER = f"<style>{'p { color: black } ' * 200}</style>"
PRAGMA = "<meta http-equiv=content-type content='text/html; charset=windows-1251;'>"
PAGES: Sequence[tuple[str, str, str]] = [
    ("text/html", "<meta charset=windows-1251>", "cp1251"),
    ("text/html", PRAGMA, "cp1251"),
    ("text/html", FILLER + PRAGMA, "cp1251"),
    ("text/html", f"<script>{'x' * 20_000}</script>" + PRAGMA, "cp1251"),
    ("text/html", "<!-- <meta charset=koi8-r> -->" + PRAGMA, "cp1251"),
    ("text/html", "<!--><meta charset=windows-1251><!-- -->", "cp1251"),
    ("text/html", "<!-- --!><meta charset=windows-1251>", "cp1251"),
    ("text/html", "<meta name=a content='charset=koi8-r'>" + PRAGMA, "cp1251"),
    ("text/html", "<script>'<meta charset=koi8-r>'</script>" + PRAGMA, "cp1251"),
    ("text/html", "<title><meta charset=koi8-r></title>" + PRAGMA, "cp1251"),
    ("text/html", "<meta charset=no-such>" + PRAGMA, "cp1251"),
    ("text/html", "<meta charset=windows-1251><meta charset=koi8-r>", "cp1251"),
    ("text/html", "<meta/charset='windows-1251'/>", "cp1251"),
    ("text/html", "<meta charset=utf-16>", "utf-8"),
    ("text/html", "<?xml version='1.0' encoding='windows-1251'?>", "cp1251"),
    ("text/html", "<?xml version='1.0' encoding='koi8-r'?><meta charset=windows-1251>", "cp1251"),
    (CP1251, "<meta charset=koi8-r>", "cp1251"),
    (CP1251, "", "cp1251"),
    (CP1251, "\ufeff<meta charset=koi8-r>", "utf-8"),
    ("text/html", "\ufeff<meta charset=koi8-r>", "utf-16-le"),
    ("text/html", "\ufeff", "utf-16-be"),
    ("text/html; charset=utf-16be", "", "utf-16-be"),
]
READ_FRAMES = """
<!doctype html><meta charset=utf-8><body><script>
const frames = %d, read = [];
let open = frames;
for (let i = 0; i < frames; i++) {
  const frame = document.createElement("iframe");
  frame.onload = () => {
    const page = frame.contentDocument;
    read[i] = [page.characterSet, page.getElementById("x").textContent];
    if (--open == 0) document.body.innerHTML = "<pre>" + escape(JSON.stringify(read)) + "</pre>";
  };
  frame.src = "/page" + i;
  document.body.append(frame);
}
</script>
"""
READ_BYTES = """
<!doctype html><meta charset=utf-8><body><script>
const read = %s.map(([name, data]) => new TextDecoder(name).decode(new Uint8Array(data)));
document.body.innerHTML = "<pre>" + escape(JSON.stringify(read)) + "</pre>";
</script>
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "profile"


def run_in_browser(url: str, profile: Path) -> Any:
    """Open a page that writes JSON into itself, and return what it wrote."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    command = [PROGRAM, *flags, f"--user-data-dir={profile}", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (written,) = re.findall("<pre>(.*)</pre>", done.stdout)
    text = re.sub(
        "%u([0-9A-F]{4})|%([0-9A-F]{2})",
        lambda match: chr(int(match[1] or match[2], 16)),
        unescape(written),
    )
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_pages(server: FaultServer, profile: Path, pages: Sequence[tuple[str, bytes]]) -> Any:
    for number, (content_type, page) in enumerate(pages):
        server.on(f"/page{number}", respond(200, page, f"Content-Type: {content_type}"))
    frames = (READ_FRAMES % len(pages)).encode()
    return run_in_browser(server.on("/", respond(200, frames, "Content-Type: text/html")), profile)


def response(content_type: str) -> Response:
    return Response("http://x/", "1.1", 200, {"content-type": content_type})


def test_pages_are_read_as_the_browser_reads_them(server: FaultServer, profile: Path) -> None:
    pages = [(kind, f"{start}{BODY}".encode(codec)) for kind, start, codec in PAGES]
    for (kind, page), (encoding, text) in zip(
        pages, read_pages(server, profile, pages), strict=True
    ):
        assert (page, text) == (page, "Сегодня"), encoding
        assert decode_page(response(kind), page).endswith(BODY), page


def test_kept_pages_need_no_header_to_be_read(server: FaultServer, profile: Path) -> None:
    """Those that name an encoding, in the page or by a byte order mark."""
    saved = [
        (kind, page_in_utf_8(response(kind), f"{start}{BODY}".encode(codec)))
        for kind, start, codec in PAGES
        if start
    ]
    read = read_pages(server, profile, [("text/html", page) for _, page in saved])
    assert read == [["UTF-8", "Сегодня"]] * len(saved)


MULTI_BYTE = ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis")
SINGLE_BYTE = sorted(
    name
    for name in set(webencodings.LABELS.values()) - {"replacement", "x-user-defined", *MULTI_BYTE}
    if not name.startswith(("utf-", "iso-2022"))
)
LACKING = Counter({"big5": 207})
"""Characters that Python's codecs lack: the youngest of Hong Kong's."""


def test_every_character_of_one_or_two_bytes_is_that_of_the_browser(
    server: FaultServer, profile: Path
) -> None:
    single = [[first] for first in range(128, 256)]
    pairs = [[*first, second] for first in single for second in range(48, 256)]
    sequences = [(name, data) for name in SINGLE_BYTE for data in single]
    sequences += [(name, data) for name in MULTI_BYTE for data in single + pairs]
    script = (READ_BYTES % json.dumps(sequences)).encode()
    url = server.on("/", respond(200, script, "Content-Type: text/html"))
    read = run_in_browser(url, profile)
    differing = Counter(
        name
        for (name, data), text in zip(sequences, read, strict=True)
        if "\ufffd" not in text and decode(bytes(data), webencodings.lookup(name)) != text
    )
    assert differing <= LACKING
