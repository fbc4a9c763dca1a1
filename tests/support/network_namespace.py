"""A network namespace in which every address responds, like an internet of its own.

The test sees whatever the worker connects to there. So it can tell "nothing was connected to" from
"nothing was listening". ``python -m tests.support.network_namespace`` is the inside: it serves HTTP
on every IPv4 and IPv6 address, resolves names from a zone that may change its answers, and runs the
commands that it reads from its input as JSON lines.
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

from tests.support import forked

PORTS = (80, 443, 21, 70, 2628, 3128, 8333)
PAGE = b"<!doctype html><title>x</title><p>reached</p>"
SILENT = "silent"
"""Label of names for which the name server does not respond."""
_NAMESPACES = ("--net", "--mount", "--fork", "--kill-child")
_OWN_USER = () if os.geteuid() == 0 else ("--user", "--map-root-user")
_IP_VERSIONS = {1: 4, 28: 6}
"""IP versions of A and AAAA records (RFC 1035, RFC 3596)."""

Zone = dict[str, list[list[str]]]
"""Addresses of each name at the first look-up, the second, and so on; the last ones stay."""


@dataclass(frozen=True)
class Observation:
    """What a command did."""

    code: int
    out: str
    err: str
    reached: list[str]
    """Address and port of every connection."""

    @property
    def addresses(self) -> set[str]:
        """Addresses of every connection."""
        return {connection.split()[0] for connection in self.reached}


class NetworkNamespace:
    """The outside: passes commands into the namespace."""

    def __init__(self, commands: IO[str], observations: IO[str]) -> None:
        self._commands = commands
        self._observations = observations

    def run(
        self,
        *command: str,
        zone: Zone | None = None,
        pages: Mapping[str, str] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Observation:
        """Run a command, with these names and these pages (by path) in the namespace.

        One that begins with ``-m`` or ``-c`` is a Python program.
        """
        order = {
            "command": command,
            "environment": dict(environment),
            "zone": zone,
            "pages": pages,
        }
        self._commands.write(json.dumps(order) + "\n")
        self._commands.flush()
        return Observation(**json.loads(self._observations.readline()))

    def fetch(
        self,
        url: str,
        *arguments: str,
        zone: Zone | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Observation:
        """Run ``python -m download_worker fetch``."""
        command = ("-m", "download_worker", "fetch", "--json", "-o", "fetched")
        return self.run(*command, *arguments, "--", url, zone=zone, environment=environment)


@contextmanager
def run_namespace() -> Iterator[NetworkNamespace]:
    """Create one, which lasts until the block ends."""
    with subprocess.Popen(
        ["unshare", *_OWN_USER, *_NAMESPACES, sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield NetworkNamespace(process.stdin, process.stdout)
        process.stdin.close()


@dataclass
class _Internet:
    """What is in the namespace, and what has been asked of it so far."""

    reached: list[str] = field(default_factory=list)
    zone: Zone = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    look_ups: dict[tuple[str, int], int] = field(default_factory=dict)

    def resolve(self, name: str, record_type: int) -> list[bytes]:
        """Return the addresses for one look-up."""
        rounds = self.zone.get(name.lower().rstrip("."), [[]])
        number = self.look_ups.get((name, record_type), 0)
        self.look_ups[name, record_type] = number + 1
        addresses = map(ip_address, rounds[min(number, len(rounds) - 1)])
        version = _IP_VERSIONS.get(record_type)
        return [address.packed for address in addresses if address.version == version]


class _WebHandler(http.server.BaseHTTPRequestHandler):
    internet: ClassVar[_Internet]

    def setup(self) -> None:
        address, port = self.request.getsockname()[:2]
        self.internet.reached.append(f"{address.removeprefix('::ffff:')} {port}")
        super().setup()

    def do_GET(self) -> None:
        """Redirect as the path says, or serve a page."""
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(query))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.internet.pages.get(path, "").encode() or PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Alt-Svc", 'h2="10.0.0.1:80"; ma=3600, h3="10.0.0.1:443"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Log nothing."""


class _WebServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 128

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)


def _serve_names(internet: _Internet) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        if SILENT.encode() not in query:
            server.sendto(_resolve(internet, query), client)


def _resolve(internet: _Internet, query: bytes) -> bytes:
    """Return the response to a DNS query."""
    labels, position = [], 12
    while size := query[position]:
        labels.append(query[position + 1 : position + 1 + size].decode("latin-1"))
        position += 1 + size
    (record_type,) = struct.unpack_from("!H", query, position + 1)
    addresses = internet.resolve(".".join(labels), record_type)
    header = query[:2] + struct.pack("!5H", 0x8180, 1, len(addresses), 0, 0)
    records = (
        struct.pack("!3HIH", 0xC00C, record_type, 1, 0, len(address)) + address
        for address in addresses
    )
    return header + query[12 : position + 5] + b"".join(records)


def _set_up_network() -> None:
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


def _run_command(internet: _Internet, order: dict[str, Any], folder: str) -> Observation:
    internet.reached, internet.look_ups = [], {}
    internet.zone, internet.pages = order["zone"] or {}, order["pages"] or {}
    program, *arguments = order["command"]
    environment = os.environ | order["environment"]
    if program in {"-m", "-c"}:
        command = (program, *arguments)
        finished = forked.run(forked.WORKER, command, env=environment, cwd=folder, timeout=120)
    else:
        finished = subprocess.run(
            order["command"],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    reached = sorted(set(internet.reached))
    return Observation(finished.returncode, finished.stdout, finished.stderr, reached)


def main() -> None:
    """Be the inside, until the input ends."""
    _set_up_network()
    internet = _WebHandler.internet = _Internet()
    for port in PORTS:
        server = _WebServer(("::", port), cast("Any", _WebHandler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_serve_names, args=(internet,), daemon=True).start()
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            observation = _run_command(internet, json.loads(line), folder)
            print(json.dumps(vars(observation)), flush=True)


if __name__ == "__main__":
    main()
