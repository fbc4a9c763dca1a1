"""A real HTTP server on loopback that misbehaves on request, down to the byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

BODY = b"The quick brown fox jumps over the lazy dog.\n" * 1000

TLS_HANDSHAKE = 22
"""First byte from a client that expects TLS (RFC 8446, 5.1)."""


@dataclass
class Exchange:
    """One connection, after the head of its request has come."""

    connection: socket.socket
    request: str
    """The head, and what came with it of the body."""
    closing: threading.Event
    """Set when the server ends, so that a behaviour can wait without holding it up."""

    @property
    def path(self) -> str:
        """Path and query."""
        return self.request.split(" ")[1]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def hang(self) -> None:
        """Send nothing more, until the client goes away or the server ends."""
        self.connection.settimeout(0.1)
        while not self.closing.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(1):
                    return


Behaviour = Callable[[Exchange], None]


@dataclass
class FaultServer:
    """Treats each path with the behaviour set for it, and all others with 404."""

    origin: str
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """Heads of all requests, in the order in which they came."""
    closing: threading.Event = field(default_factory=threading.Event)

    def on(self, path: str, *behaviours: Behaviour) -> str:
        """Set one behaviour for each request of *path*, the last for all further ones.

        Return the URL.
        """
        remaining = list(behaviours)

        def behave(exchange: Exchange) -> None:
            (remaining.pop(0) if len(remaining) > 1 else remaining[0])(exchange)

        self.behaviours[path] = behave
        return self.origin + path

    def serve(self, connection: socket.socket) -> None:
        """Read the head of one request and respond; ignore a client that hangs up."""
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                if piece[0] == TLS_HANDSHAKE:
                    connection.sendall(b"HTTP/1.1 400 Plain HTTP here\r\n\r\n")
                    return
                head += piece
            exchange = Exchange(connection, head.decode("latin-1"), self.closing)
            self.requests.append(exchange.request)
            path = exchange.path.partition("?")[0]
            self.behaviours.get(path, respond(404, b"not here"))(exchange)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)


@contextmanager
def run_server(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """Serve on a free port until the block ends."""
    listener = socket.create_server((host, 0))
    port = listener.getsockname()[1]
    server = FaultServer(f"{'https' if tls else 'http'}://{host}:{port}")
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with suppress(OSError):
            server.serve(tls.wrap_socket(connection, server_side=True) if tls else connection)
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=handle, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join()


def tls_context(folder: Path, name: str) -> ssl.SSLContext:
    """Return what a server needs for TLS with a certificate of *folder*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


def response_head(status: int | str, *headers: str) -> bytes:
    """Return the head of a response; *status* may include a phrase."""
    text = "\r\n".join((f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""))
    return text.encode("latin-1")


def respond(status: int, body: bytes = BODY, *headers: str) -> Behaviour:
    """Respond as a server should."""
    return send(response_head(f"{status} Said", f"Content-Length: {len(body)}", *headers) + body)


def send(data: bytes) -> Behaviour:
    """Send these bytes and hang up."""
    return lambda exchange: exchange.send(data)


def redirect(location: str, status: int = 302) -> Behaviour:
    return respond(status, b"", f"Location: {location}")


def cut(after: int) -> Behaviour:
    """Promise the whole body, and hang up after some bytes of it."""
    return send(response_head("200 OK", f"Content-Length: {len(BODY)}") + BODY[:after])


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> Behaviour:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return send(response_head("200 OK", "Transfer-Encoding: chunked") + framed + end)


def stall(
    after: int = 0, reached: threading.Event | None = None, length: int = len(BODY)
) -> Behaviour:
    """Promise a body of *length*, and fall silent after some bytes of it."""

    def behave(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", f"Content-Length: {length}") + BODY[:after])
        if reached:
            reached.set()
        exchange.hang()

    return behave


def drip(seconds: float, pieces: int) -> Behaviour:
    """Send the body in pieces with pauses between them."""

    def behave(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", f"Content-Length: {pieces}"))
        for _ in range(pieces):
            exchange.closing.wait(seconds)
            exchange.send(b".")

    return behave


def endless(start: bytes) -> Behaviour:
    """Send *start*, then more and more."""

    def behave(exchange: Exchange) -> None:
        exchange.send(start)
        while not exchange.closing.is_set():
            exchange.send(b"x" * 65536)

    return behave
