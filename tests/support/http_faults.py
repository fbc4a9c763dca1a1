"""A real HTTP server on loopback that misbehaves to order, down to the byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

BODY = b"The quick brown fox jumps over the lazy dog.\n" * 1000

TLS_HANDSHAKE = 22
"""First byte of what a client says that expects TLS (RFC 8446 section 5.1)."""


@dataclass
class Exchange:
    """One connection, after its request's head has come."""

    connection: socket.socket
    head: str
    closing: threading.Event
    """Set when the server ends; whoever waits for nothing else waits for this."""

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
    """Answers each path by the behaviour set for it, and 404 elsewhere."""

    origin: str
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    """Heads of all requests, in the order in which they came."""
    closing: threading.Event = field(default_factory=threading.Event)

    def on(self, path: str, *behaviours: Behaviour) -> str:
        """Answer *path* by the behaviours one after the other, the last again and again."""
        left = list(behaviours)

        def next_one(exchange: Exchange) -> None:
            (left.pop(0) if len(left) > 1 else left[0])(exchange)

        self.behaviours[path] = next_one
        return self.origin + path

    def serve(self, connection: socket.socket) -> None:
        """Read one request's head and answer it; a client that hangs up is none of our business."""
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65536)
                if not more:
                    return
                if more[0] == TLS_HANDSHAKE:
                    connection.sendall(b"HTTP/1.1 400 Plain HTTP here\r\n\r\n")
                    return
                head += more
            text = head.decode("latin-1")
            self.heads.append(text)
            path = text.split(" ")[1].partition("?")[0]
            self.behaviours.get(path, answer(404, b"not here"))(
                Exchange(connection, text, self.closing)
            )
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)


@contextmanager
def running(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
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


def secured(folder: Path, name: str) -> ssl.SSLContext:
    """Return what a server needs for TLS with a certificate of *folder*."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return made


def head(status: int | str, *headers: str) -> bytes:
    """Return a response's head; *status* may hold a phrase too."""
    text = "\r\n".join((f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""))
    return text.encode("latin-1")


def answer(status: int, body: bytes = BODY, *headers: str) -> Behaviour:
    """Answer as a server should."""
    return raw(head(f"{status} Said", f"Content-Length: {len(body)}", *headers) + body)


def raw(data: bytes) -> Behaviour:
    """Send these bytes and hang up."""
    return lambda exchange: exchange.send(data)


def redirect(location: str, status: int = 302) -> Behaviour:
    return answer(status, b"", f"Location: {location}")


def cut(after: int) -> Behaviour:
    """Promise the whole body, hang up after some bytes of it."""
    return raw(head("200 OK", f"Content-Length: {len(BODY)}") + BODY[:after])


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> Behaviour:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return raw(head("200 OK", "Transfer-Encoding: chunked") + framed + end)


def stall(
    after: int = 0, reached: threading.Event | None = None, length: int = len(BODY)
) -> Behaviour:
    """Promise a body of *length*, fall silent after some bytes of it."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head("200 OK", f"Content-Length: {length}") + BODY[:after])
        if reached:
            reached.set()
        exchange.hang()

    return behave


def drip(seconds: float, pieces: int) -> Behaviour:
    """Send the body in pieces with pauses between them."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head("200 OK", f"Content-Length: {pieces}"))
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
