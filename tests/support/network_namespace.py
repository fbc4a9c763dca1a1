"""An internet of one's own: a network namespace in which every address answers.

Whatever the worker connects to there is seen, so that "nothing connects" can be told from "nothing
was listening". `python -m tests.support.network_namespace` is the inside: it serves HTTP on every
IPv4 and IPv6 address, answers look-ups from a zone that may change its answers, and runs commands
read from its input as JSON lines.
"""

import http.server
import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, cast

PORTS = (80, 443, 21, 70, 2628, 3128, 8333)
PAGE = b"<!doctype html><title>x</title><p>reached</p>"
SILENT = "silent"
"""Label of names of which the name server says nothing."""
_NAMESPACES = ("--net", "--mount", "--fork", "--kill-child")
_OWN_USER = () if os.geteuid() == 0 else ("--user", "--map-root-user")
_TYPES = {1: 4, 28: 6}
"""A and AAAA (RFC 1035, RFC 3596)."""

Zone = dict[str, list[list[str]]]
"""What each name answers the first time, the second time, and from the last on always."""


@dataclass(frozen=True)
class Seen:
    """What a command did."""

    code: int
    out: str
    err: str
    reached: list[str]
    """Address and port of every connection."""
    asked: int
    """Look-ups of A records."""


class Internet:
    """The outside: hands commands to the namespace."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers

    def run(
        self,
        *command: str,
        zone: Zone | None = None,
        pages: Mapping[str, str] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Seen:
        """Run a command, with these names and these pages (by path) there."""
        order = {
            "command": command,
            "environment": dict(environment),
            "zone": zone,
            "pages": pages,
        }
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        return Seen(**json.loads(self._answers.readline()))

    def fetch(
        self,
        url: str,
        *arguments: str,
        zone: Zone | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Seen:
        """Run `python -m download_worker fetch`."""
        command = (sys.executable, "-m", "download_worker", "fetch", "--json", "-o", "fetched")
        return self.run(*command, *arguments, "--", url, zone=zone, environment=environment)


@contextmanager
def running() -> Iterator[Internet]:
    """Make one, until the block ends."""
    with subprocess.Popen(
        ["unshare", *_OWN_USER, *_NAMESPACES, sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Internet(process.stdin, process.stdout)
        process.stdin.close()


@dataclass
class _World:
    reached: list[str] = field(default_factory=list)
    zone: Zone = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    asked: dict[tuple[str, int], int] = field(default_factory=dict)

    def answer(self, name: str, kind: int) -> list[bytes]:
        """The addresses of one look-up."""
        rounds = self.zone.get(name.lower().rstrip("."), [[]])
        turn = self.asked.get((name, kind), 0)
        self.asked[name, kind] = turn + 1
        found = map(ip_address, rounds[min(turn, len(rounds) - 1)])
        return [each.packed for each in found if each.version == _TYPES.get(kind)]


class _Web(http.server.BaseHTTPRequestHandler):
    world: ClassVar[_World]

    def setup(self) -> None:
        address, port = self.request.getsockname()[:2]
        self.world.reached.append(f"{address.removeprefix('::ffff:')} {port}")
        super().setup()

    def do_GET(self) -> None:
        """Redirect as the path says, or serve a page."""
        kind, _, rest = self.path.partition("?")
        if kind == "/to":
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(rest))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.world.pages.get(kind, "").encode() or PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Alt-Svc", 'h2="10.0.0.1:80"; ma=3600, h3="10.0.0.1:443"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Say nothing."""


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 128

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)


def _serve_names(world: _World) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        if SILENT.encode() not in query:
            server.sendto(_reply(world, query), client)


def _reply(world: _World, query: bytes) -> bytes:
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    (kind,) = struct.unpack_from("!H", query, at + 1)
    found = world.answer(".".join(labels), kind)
    head = query[:2] + struct.pack("!5H", 0x8180, 1, len(found), 0, 0)
    records = (struct.pack("!3HIH", 0xC00C, kind, 1, 0, len(each)) + each for each in found)
    return head + query[12 : at + 5] + b"".join(records)


def _set_up() -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
        f"mount --bind {resolver.name} /etc/resolv.conf",
    ):
        subprocess.run(command.split(), check=True)
    if Path("/etc/services").exists():  # the worker's image has none
        subprocess.run(["mount", "--bind", "/dev/null", "/etc/services"], check=True)
    Path(resolver.name).unlink()


def _obey(world: _World, order: dict[str, Any], folder: str) -> Seen:
    world.reached, world.asked = [], {}
    world.zone, world.pages = order["zone"] or {}, order["pages"] or {}
    done = subprocess.run(
        order["command"],
        env=os.environ | order["environment"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    asked = sum(count for (_, kind), count in world.asked.items() if kind == 1)
    return Seen(done.returncode, done.stdout, done.stderr, sorted(set(world.reached)), asked)


def main() -> None:
    """Be the inside, until the input ends."""
    _set_up()
    world = _Web.world = _World()
    for port in PORTS:
        server = _Server(("::", port), cast("Any", _Web))
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_serve_names, args=(world,), daemon=True).start()
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(vars(_obey(world, json.loads(line), folder))), flush=True)


if __name__ == "__main__":
    main()
