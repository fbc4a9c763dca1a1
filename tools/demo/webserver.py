"""A web server with files of known content and with faults, run inside the cluster.

GET /files/NAME serves the same bytes for the same name, /status/CODE responds with that status,
/flaky/KEY responds 500 to the first request with that KEY, and /slow/SECONDS responds after that
time. /late/SECONDS/NAME is there from that time after the first request for it. /page is a page
with an article, /guarded/WORD/NAME requires `Authorization: WORD`, and /steady/NAME sends the file
at 400 kB/s, from the byte that the request asks for.

It uses the standard library only, because it runs in the operator's image.
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
    """Return the bytes of a file: 100,000 lines that contain a digest of its name."""
    word = hashlib.sha256(name.encode()).hexdigest()
    return "".join(f"{number},{word}\n" for number in range(100_000)).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Responds according to the path."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[set[str]] = set()
    there_from: ClassVar[dict[str, float]] = {}
    """Time from which a late file is there, by its path."""

    def do_GET(self) -> None:
        """Serve a file, or a fault."""
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "files":
            self._respond(200, content(rest))
        elif kind == "status":
            self._respond(int(rest), b"as you asked\n")
        elif kind == "flaky":
            first = rest not in self.seen
            self.seen.add(rest)
            self._respond(500 if first else 200, b"later\n" if first else content(rest))
        elif kind == "slow":
            time.sleep(float(rest))
            self._respond(200, b"at last\n")
        elif kind == "late":
            seconds, _, name = rest.partition("/")
            there_from = self.there_from.setdefault(rest, time.monotonic() + float(seconds))
            is_there = time.monotonic() >= there_from
            self._respond(200 if is_there else 404, content(name) if is_there else b"not yet\n")
        elif kind == "page":
            self._respond(200, PAGE, "text/html")
        elif kind == "guarded":
            word, _, name = rest.partition("/")
            allowed = self.headers.get("Authorization") == word
            self._respond(200 if allowed else 401, content(name))
        elif kind == "steady":
            self._steady(content(rest))
        else:
            self._respond(404, b"no such file\n")

    def _steady(self, body: bytes) -> None:
        first = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        start = int(first or 0)
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

    def _respond(self, status: int, body: bytes, kind: str = "text/csv") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
