"""A web server with files of known content and with moods, run inside of the cluster.

GET /files/NAME serves the same bytes for the same name, /status/CODE answers with that status,
/flaky/KEY answers 500 the first time that KEY is asked for, and /slow/SECONDS takes its time.
/page is a page with an article, /guarded/WORD/NAME wants `Authorization: WORD`, and /steady/NAME
sends the file at 400 kB/s, from where it is asked to.
Standard library only.
"""

import hashlib
import http.server
import sys
import time
from typing import ClassVar

SENTENCE = "The harbour was quiet that morning, and every boat lay where the night had left it. "
PAGE = (
    "<!doctype html><title>Harbour</title><nav>Menu</nav><article><h1>The harbour</h1>"
    + f"<p>{SENTENCE * 5}</p>" * 4
    + "</article>"
).encode()


def content(name: str) -> bytes:
    """The bytes of a file: 100,000 lines that no other name has."""
    word = hashlib.sha256(name.encode()).hexdigest()
    return "".join(f"{number},{word}\n" for number in range(100_000)).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        """Serve a file, or a mood."""
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "files":
            self._answer(200, content(rest))
        elif kind == "status":
            self._answer(int(rest), b"as you asked\n")
        elif kind == "flaky":
            first = rest not in self.seen
            self.seen.add(rest)
            self._answer(500 if first else 200, b"later\n" if first else content(rest))
        elif kind == "slow":
            time.sleep(float(rest))
            self._answer(200, b"at last\n")
        elif kind == "page":
            self._answer(200, PAGE, "text/html")
        elif kind == "guarded":
            word, _, name = rest.partition("/")
            allowed = self.headers.get("Authorization") == word
            self._answer(200 if allowed else 401, content(name))
        elif kind == "steady":
            self._steady(content(rest))
        else:
            self._answer(404, b"no such file\n")

    def _steady(self, body: bytes) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        start = int(asked or 0)
        print(f"steady from {start}", flush=True)
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        for at in range(start, len(body), 100_000):
            self.wfile.write(body[at : at + 100_000])
            time.sleep(0.25)

    def _answer(self, status: int, body: bytes, kind: str = "text/csv") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
