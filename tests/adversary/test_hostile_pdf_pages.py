"""Pages whose scripts take all they can get, printed by the real Chromium.

The memory limit is that of a download's Pod. Where the test may make a cgroup, the kernel enforces
it, and must not have to.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from download_operator.pod_resources import DEFAULTS
from download_schedule.attempt.task import Format
from download_schedule.attempt.variables import MEMORY_LIMIT_VARIABLE
from tests.support.attempts import Pod
from tests.support.http_faults import FaultServer, respond, stall
from tests.support.memory_limit import memory_limit

MEBIBYTE = 1024**2
HTML = "Content-Type: text/html; charset=utf-8"
LIMIT = DEFAULTS[Format.PDF].limits["memory"]

ALLOCATING = {
    "objects": "const a = []; for (;;) a.push({b: [a.length, {}]})",
    "texts": "const a = []; for (let n = 0;; n++) a.push((n + 'x').repeat(9999).split('').join())",
    "buffers": "const a = []; for (;;) a.push(new Uint8Array(2 ** 24).fill(1))",
    "one buffer": "new Uint8Array(2 ** 31 - 1).fill(1)",
    "elements": "const p = document.body; for (;;) p.append(document.createElement('p'))",
    "doubling": "const p = document.body; for (;;) p.append(p.cloneNode(true))",
    "canvases": """
        const a = [];
        for (;;) {
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 4000;
            canvas.getContext('2d', {willReadFrequently: true}).fillRect(0, 0, 4000, 4000);
            a.push(canvas);
        }""",
    "workers": """
        const code = 'const a = []; for (;;) a.push(new Uint8Array(2 ** 24).fill(1))';
        const url = URL.createObjectURL(new Blob([code]));
        for (let n = 0; n < 8; n++) new Worker(url);
        fetch('/never');  // keeps the page from being printed meanwhile""",
    "web assembly": """
        const a = [];
        for (;;) {
            const memory = new WebAssembly.Memory({initial: 256});
            new Uint8Array(memory.buffer).fill(1);
            a.push(memory);
        }""",
}
"""Scripts that allocate without end, or more than a container has."""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    (tmp_path / "data").mkdir()
    with memory_limit(1024) as limit:
        yield Pod(tmp_path / "data", tmp_path / "termination-log", limit=limit)
        assert not limit.kills


def print_page(pod: Pod, server: FaultServer, page: str) -> tuple[int, str | None]:
    """Make one attempt; return its exit code and reason."""
    server.on("/never", stall())
    url = server.on("/page.html", respond(200, f"<!doctype html><body>{page}".encode(), HTML))
    limit = {MEMORY_LIMIT_VARIABLE: str(1024 * MEBIBYTE)}
    attempt = pod.run(url, file_format="pdf", **limit)
    print(attempt.result.message, attempt.out)
    return attempt.outcome


def test_limit_is_the_default_one() -> None:
    assert LIMIT == "1Gi"


@pytest.mark.parametrize("name", ALLOCATING)
def test_page_that_allocates_without_end_is_too_complex(
    pod: Pod, server: FaultServer, name: str
) -> None:
    page = f"<p>x<script>{ALLOCATING[name]}</script>"
    assert print_page(pod, server, page) == (10, "TooComplex")
    assert pod.files() == {}
