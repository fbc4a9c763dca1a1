"""A web server with files of known content and with moods, run inside of the cluster.

GET /files/NAME serves the same bytes for the same name, /status/CODE answers with that status, and
/flaky/KEY answers 500 the first time that KEY is asked for. Standard library only.
"""

import hashlib
import http.server
import sys
from typing import ClassVar


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
        else:
            self._answer(404, b"no such file\n")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
