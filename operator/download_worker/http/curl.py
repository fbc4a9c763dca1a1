"""One HTTP request by libcurl: the only module that knows pycurl."""

import logging
import math
import os
import re
import socket
import string
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pycurl

from download_worker.egress.policy import Network, is_allowed
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.http.messages import Response
from download_worker.http.redirects import Request

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10
STALL_SECONDS: Final = 30.0
BUFFER_BYTES: Final = 512 * 1024
USER_AGENT: Final = "download-operator"
POLL_SECONDS: Final = 1.0
"""Between two questions whether to stop, where nothing comes."""
MAX_INTERIM: Final = 1000
"""Answers before the one that counts (1xx): each says that the server is still at it."""

_STATUS_LINE: Final = re.compile(r"HTTP/([0-9.]+)[ \t]+([1-9][0-9]{2})(?:[ \t].*)?", re.DOTALL)
_WEB_ADDRESS: Final = re.compile(r"https?://[^/?#]", re.IGNORECASE)
"""libcurl takes more for one, such as a host alone, from which no redirect could be followed."""
_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",  # Alpine, BSD, macOS
)
_AUTHORITIES_FOLDER: Final = "/etc/ssl/certs"
"""Of the system, beside a file of one's own."""
_E_HTTP2_STREAM: Final = 92
"""libcurl's number, which pycurl has no name for."""
_SUPPRESS_CONNECT_HEADERS: Final = 265
"""Likewise: what a proxy says of the way to a server is no answer of that server."""
_REASONS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.HOST_NOT_FOUND,
    pycurl.E_COULDNT_RESOLVE_PROXY: Reason.HOST_NOT_FOUND,
    pycurl.E_COULDNT_CONNECT: Reason.CONNECTION_FAILED,
    pycurl.E_FILESIZE_EXCEEDED: Reason.TOO_LARGE,
    pycurl.E_HTTP2: Reason.CONNECTION_LOST,
    _E_HTTP2_STREAM: Reason.CONNECTION_LOST,
    pycurl.E_OPERATION_TIMEDOUT: Reason.CONNECT_TIMEOUT,
    pycurl.E_PARTIAL_FILE: Reason.INCOMPLETE_BODY,
    pycurl.E_PEER_FAILED_VERIFICATION: Reason.TLS_FAILED,
    pycurl.E_SSL_CONNECT_ERROR: Reason.TLS_FAILED,
    pycurl.E_SSL_CACERT_BADFILE: Reason.TLS_FAILED,
    pycurl.E_URL_MALFORMAT: Reason.INVALID_URL,
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.INVALID_URL,
    pycurl.E_GOT_NOTHING: Reason.CONNECTION_LOST,
    pycurl.E_RECV_ERROR: Reason.CONNECTION_LOST,
    pycurl.E_SEND_ERROR: Reason.CONNECTION_LOST,
}
_ADVICE: Final = {
    Reason.INVALID_URL: ": write an address that begins with http:// or https:// and has a host",
    Reason.TOO_LARGE: ": ask for a smaller file",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a transfer may do."""

    allowed: tuple[Network, ...] = ()
    """Address ranges open beyond public addresses."""
    connect_seconds: int = CONNECT_SECONDS
    stall_seconds: float = STALL_SECONDS
    proxy: str = ""
    """``http://host:port`` through which everything goes, and which then judges the addresses."""


Take = Callable[[Response, bytes], bool]


def transfer(
    request: Request,
    limits: Limits,
    take: Take,
    progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> Response:
    """Send *request* and hand the body on as it comes.

    Args:
        request: what to ask for.
        limits: what may be done.
        take: called with the response and each piece of its body; false: that is enough.
        progress: called about once a second with the bytes received and expected (0: unknown).
        stopped: asked at least once a second whether to give up.

    Raises:
        DownloadError: nothing, or not all, came; or *take* raised it.
    """
    return _Transfer(request, limits, take, progress, stopped).perform()


class _Transfer:
    def __init__(
        self,
        request: Request,
        limits: Limits,
        take: Take,
        progress: Callable[[int, int], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._request = request
        self._limits = limits
        self._take = take
        self._progress = progress
        self._stopped = stopped
        self._response = Response(request.url)
        self._error: Exception | None = None
        self._enough = False
        self._opened = False
        self._refused: list[str] = []
        self._sockets: list[socket.socket] = []
        """pycurl works with duplicates of them."""
        self._answers = 0
        self._in_head = False
        self._in_body = False
        self._heard = math.inf
        """Silence counts from the connection on; until then there is another time-out."""

    def perform(self) -> Response:
        if not _WEB_ADDRESS.match(self._request.url):
            advice = _ADVICE[Reason.INVALID_URL]
            raise DownloadError(Reason.INVALID_URL, f"The url is no web address{advice}.")
        curl = pycurl.Curl()
        try:
            self._configure(curl)
            self._run(curl)
        except pycurl.error as error:
            if self._error or not self._enough:
                raise self._explain(*error.args) from None
        finally:
            curl.close()
            for each in self._sockets:
                each.close()
        return self._response

    def _run(self, curl: Any) -> None:
        """Do what ``curl.perform`` does, which asks nobody whether to stop while it connects."""
        multi = pycurl.CurlMulti()
        multi.add_handle(curl)
        close = multi.close
        try:
            while multi.perform()[1]:
                if self._stopped():
                    raise StoppedError
                soon = multi.timeout() / 1000  # negative: it does not know
                if not multi.select(soon if 0 <= soon < POLL_SECONDS else POLL_SECONDS):
                    time.sleep(0.001)  # there may have been nothing to wait for
            for _, code, words in multi.info_read()[2]:
                raise pycurl.error(code, words or pycurl.easy_strerror(code))
        except BaseException:
            # It waits for the end of a look-up that is given up, which nobody else should.
            close = threading.Thread(target=multi.close, daemon=True).start
            raise
        finally:
            multi.remove_handle(curl)
            close()

    def _configure(self, curl: Any) -> None:
        options = {
            pycurl.URL: self._request.url,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.FOLLOWLOCATION: False,
            pycurl.PROXY: self._limits.proxy,
            _SUPPRESS_CONNECT_HEADERS: True,
            pycurl.NOPROXY: "" if self._limits.proxy else "*",
            pycurl.NOSIGNAL: True,
            pycurl.NOPROGRESS: False,
            pycurl.BUFFERSIZE: BUFFER_BYTES,
            pycurl.CONNECTTIMEOUT: self._limits.connect_seconds,
            pycurl.USERAGENT: USER_AGENT,
            pycurl.HTTPHEADER: [_line(name, value) for name, value in self._request.headers],
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.PREREQFUNCTION: self._connected,
            pycurl.HEADERFUNCTION: self._header,
            pycurl.WRITEFUNCTION: self._write,
            pycurl.XFERINFOFUNCTION: self._tick,
        }
        if self._request.method == "POST":
            options[pycurl.POSTFIELDS] = self._request.body
        for option, value in options.items():
            curl.setopt(option, value)
        if authorities := _authorities():
            curl.setopt(pycurl.CAINFO, authorities)
        if Path(_AUTHORITIES_FOLDER).is_dir():
            curl.setopt(pycurl.CAPATH, _AUTHORITIES_FOLDER)

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        family, kind, protocol, target = address
        if family in (socket.AF_INET, socket.AF_INET6):
            host = target[0].decode() if isinstance(target[0], bytes) else target[0]
            if self._limits.proxy or is_allowed(host, self._limits.allowed):
                self._opened = True
                self._sockets.append(socket.socket(family, kind, protocol))
                return self._sockets[-1]
            self._refused.append(host)
        return pycurl.SOCKET_BAD

    def _connected(self, *_addresses: object) -> int:
        self._heard = time.monotonic()
        return int(pycurl.PREREQFUNC_OK)

    def _header(self, line: bytes) -> int | None:
        """Begin anew at each status line: headers of an interim response (1xx) do not count.

        What comes after the head, and begins no other one, is a trailer: it does not count either,
        and behind a body nothing begins, whatever it looks like.
        """
        self._heard = time.monotonic()
        text = _decoded(line).strip()
        if not text or self._in_body:
            self._in_head = False
        elif not self._in_head and (found := _STATUS_LINE.fullmatch(text)):
            self._in_head = True
            self._response.version, self._response.status = found[1], int(found[2])
            self._response.headers = {}
            self._answers += 1
            if self._response.status < 200 and self._answers > MAX_INTERIM:
                self._error = DownloadError(
                    Reason.BAD_RESPONSE,
                    f"The server sent more than {MAX_INTERIM} interim answers: "
                    "another attempt may fare better.",
                )
                return -1
        elif self._in_head and ":" in text:
            name, _, value = text.partition(":")
            # with a blank behind its name, libcurl does not take it for that field
            self._response.headers.setdefault(name.lower(), value.strip())
        elif not self._answers:
            self._error = DownloadError(
                Reason.BAD_RESPONSE, "What the server sent does not begin with a status of HTTP."
            )
            return -1
        return None

    def _write(self, chunk: bytes) -> int:
        self._in_body = True
        try:
            self._enough = not self._take(self._response, chunk)
        except Exception as error:
            self._error = error
            return -1
        self._heard = time.monotonic()  # a slow volume is not a slow server
        return -1 if self._enough else len(chunk)

    def _tick(self, expected: float, received: float, _to_send: float, _sent: float) -> int:
        try:
            self._progress(int(received), int(expected))
            if time.monotonic() - self._heard > self._limits.stall_seconds:
                raise DownloadError(
                    Reason.STALLED,
                    f"The server sent nothing for {self._limits.stall_seconds:g} seconds: "
                    "another attempt may fare better.",
                )
        except DownloadError as error:
            self._error = error
            return 1
        return 0

    def _explain(self, code: int, words: str) -> Exception:
        if self._error is not None:
            return self._error
        if self._refused and not self._opened:
            return DownloadError(
                Reason.ADDRESS_REFUSED,
                f"{self._refused[0]} is not a public address: have the operator's configuration "
                "allow its range if downloads from there are wanted.",
            )
        reason = _REASONS.get(code, Reason.BAD_RESPONSE)
        if reason is Reason.INVALID_URL and self._opened:
            reason = Reason.BAD_RESPONSE  # libcurl's word for HTTP/0.9 is "unsupported protocol"
        advice = _ADVICE.get(reason, "")
        return DownloadError(reason, f"{words.rstrip('.')}{advice}.", self._response.status or None)


def _decoded(line: bytes) -> str:
    """Header text is UTF-8 in practice and ISO 8859-1 by the old rule (RFC 9110 section 5.5)."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        if line.lower().startswith(b"location:"):
            return quote(line, safe=string.printable)  # a server knows its paths by their bytes
        return line.decode("latin-1")


def _line(name: str, value: str) -> str:
    """As libcurl wants it: a header without a value, which blanks are none, ends in a semicolon."""
    return f"{name}: {value}" if value.strip() else f"{name};"


def _authorities() -> str | None:
    own: Iterable[str | None] = (os.environ.get("SSL_CERT_FILE"), *_AUTHORITIES)
    return next((path for path in own if path and Path(path).is_file()), None)
