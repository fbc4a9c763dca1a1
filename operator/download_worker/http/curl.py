"""One HTTP exchange through libcurl: the only module that knows pycurl."""

import math
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pycurl

from download_schedule.attempt.task import (
    DEFAULT_CONNECT_TIMEOUT_SECONDS,
    DEFAULT_STALL_TIMEOUT_SECONDS,
    Method,
)
from download_worker.egress.policy import PUBLIC_ONLY, EgressPolicy, refusal_error
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.http.ca_certificates import find_ca_file, find_ca_folder
from download_worker.http.head_parser import ResponseHeadParser
from download_worker.http.messages import Request, Response
from download_worker.http.redirects import REDIRECT_STATUSES, effective_port, is_cookie

BUFFER_BYTES: Final = 128 * 1024
"""Size of libcurl's receive buffer. libcurl fills it up to ten times before it lets us read."""
USER_AGENT: Final = "download-operator"
POLL_SECONDS: Final = 1.0
"""Longest wait for the network between two looks at the stop flag and the stall timeout."""

_HTTP_URL: Final = re.compile(r"https?://[^/?#]", re.IGNORECASE)
"""libcurl accepts more, such as a bare host, which no redirect could be resolved against."""
_E_HTTP2_STREAM: Final = 92
"""libcurl's CURLE_HTTP2_STREAM, which pycurl does not name."""
_SUPPRESS_CONNECT_HEADERS: Final = 265
"""libcurl's option of that name, which pycurl does not name either. A proxy's response to CONNECT
is not a response of the server."""
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

Progress = Callable[[int, int], None]
"""Called at least once a second with the bytes received and expected; 0: not known."""
StopRequested = Callable[[], bool]
"""Asked at least once a second whether to give up."""


class ConnectionOptions(NamedTuple):
    """Where a connection may lead, and how long it may take."""

    egress: EgressPolicy = PUBLIC_ONLY
    """Which addresses and ports are open."""
    connect_timeout_seconds: int = DEFAULT_CONNECT_TIMEOUT_SECONDS
    stall_timeout_seconds: float = DEFAULT_STALL_TIMEOUT_SECONDS
    """The server may be silent for this long."""
    proxy: str = ""
    """Proxy (``http://host:port``) for every connection, which then judges the addresses, but not
    the ports."""


@contextmanager
def exchange(
    request: Request, options: ConnectionOptions, *, progress: Progress, stopped: StopRequested
) -> Iterator[tuple[Response, Iterator[bytes]]]:
    """Send *request*; yield the response, once its body begins, and the chunks of the body.

    The connection is closed at the end of the body, or of the block if nobody reads that far.

    Raises:
        DownloadError: there is no response. Reading the body raises it too, if the body is not
            complete.
    """
    if not _HTTP_URL.match(request.url):
        raise _invalid_url()
    if options.proxy:
        _check_port(request.url, options.egress)
    transfer = _Transfer(request, options, progress, stopped)
    try:
        yield transfer.receive_head(), transfer.receive_body()
    finally:
        transfer.close()


class _Transfer:
    """Drives libcurl step by step. Its own ``perform`` cannot be stopped while it connects."""

    def __init__(
        self,
        request: Request,
        options: ConnectionOptions,
        progress: Progress,
        stopped: StopRequested,
    ) -> None:
        self._options = options
        self._progress = progress
        self._stopped = stopped
        self._parser = ResponseHeadParser(request.url)
        self._chunks: deque[bytes] = deque()
        """Chunks of the body that have not been read yet."""
        self._received = 0
        """Bytes of the body that have been read."""
        self._last_activity = math.inf
        """When the server was last heard. Before there is a connection, it cannot stall."""
        self._host = urlsplit(request.url).hostname
        """As the URL has it. The address of a name inside is nobody's business outside."""
        self._port = 0
        """Port of the socket that was refused."""
        self._refusal: Reason | None = None
        """Why no socket may be opened, to one of the host's addresses at least."""
        self._sockets: list[socket.socket] = []
        """pycurl works with duplicates of these."""
        self._error: DownloadError | None = None
        """Raised in a callback, through which no exception can pass."""
        self._running = True
        self._closed = False
        self._curl = pycurl.Curl()
        self._configure(request)
        self._multi = pycurl.CurlMulti()
        self._multi.add_handle(self._curl)

    def receive_head(self) -> Response:
        """Wait until the body begins, or the response ends without one."""
        while self._running and not self._chunks:
            self._advance()
        if not self._chunks:
            self._check_result()
        self._parser.response.cookies = tuple(self._curl.getinfo_raw(pycurl.INFO_COOKIELIST))
        return self._parser.response

    def receive_body(self) -> Iterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._received += len(chunk)
                yield chunk
                self._last_activity = time.monotonic()  # a slow reader is not a slow server
            if not self._running:
                self._check_result()
                self.close()
                return
            self._advance()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._multi.remove_handle(self._curl)
        if self._running:
            # Closing waits for a name look-up that is under way, so a thread does it.
            threading.Thread(target=self._multi.close, daemon=True).start()
        else:
            self._multi.close()
        self._curl.close()
        for opened in self._sockets:
            opened.close()

    def _advance(self) -> None:
        """Let libcurl do what it can; if nothing comes of it, wait for the network."""
        if self._stopped():
            raise StoppedError
        try:
            self._running = self._multi.perform()[1] > 0
        except pycurl.error as error:
            raise self._explain(*error.args) from None
        if not self._running:
            return
        self._progress(self._received, self._parser.response.content_length or 0)
        if self._chunks:
            return
        self._check_stall()
        timeout = self._multi.timeout() / 1000  # negative: libcurl does not know
        if not self._multi.select(timeout if 0 <= timeout < POLL_SECONDS else POLL_SECONDS):
            time.sleep(0.001)  # without a socket to wait for, select returns at once

    def _check_stall(self) -> None:
        seconds = self._options.stall_timeout_seconds
        if time.monotonic() - self._last_activity > seconds:
            raise DownloadError(
                Reason.STALLED,
                f"The server sent nothing for {seconds:g} seconds: another attempt may succeed.",
                self._parser.response.status or None,
            )

    def _check_result(self) -> None:
        for _, code, words in self._multi.info_read()[2]:
            raise self._explain(code, words or pycurl.easy_strerror(code))

    def _configure(self, request: Request) -> None:
        options = {
            pycurl.URL: request.url.partition("#")[0],
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.FOLLOWLOCATION: False,
            pycurl.PROXY: self._options.proxy,
            _SUPPRESS_CONNECT_HEADERS: True,
            pycurl.NOPROXY: "" if self._options.proxy else "*",
            pycurl.NOSIGNAL: True,
            pycurl.BUFFERSIZE: BUFFER_BYTES,
            pycurl.CONNECTTIMEOUT: self._options.connect_timeout_seconds,
            pycurl.USERAGENT: USER_AGENT,
            pycurl.HTTPHEADER: [_header_line(*h) for h in request.headers if not is_cookie(h)],
            pycurl.COOKIEFILE: "",  # turns libcurl's cookie engine on, without a file
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.PREREQFUNCTION: self._on_connected,
            pycurl.HEADERFUNCTION: self._on_header,
            pycurl.WRITEFUNCTION: self._chunks.append,
        }
        if request.method is Method.POST:
            options[pycurl.POSTFIELDS] = request.body
        optional = {pycurl.CAINFO: find_ca_file(), pycurl.CAPATH: find_ca_folder()}
        optional[pycurl.COOKIE] = "; ".join(v for _, v in filter(is_cookie, request.headers))
        options |= {option: value for option, value in optional.items() if value}
        for option, value in options.items():
            self._curl.setopt(option, value)
        for cookie in request.cookies:
            self._curl.setopt(pycurl.COOKIELIST, cookie)

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        family, kind, protocol, target = address
        if family in (socket.AF_INET, socket.AF_INET6):
            host = target[0].decode() if isinstance(target[0], bytes) else target[0]
            refusal = None if self._options.proxy else self._options.egress.refusal(host, target[1])
            if refusal is None:
                self._sockets.append(socket.socket(family, kind, protocol))
                return self._sockets[-1]
            if self._refusal is not Reason.PORT_REFUSED:  # another port would help, so say that
                self._refusal, self._port = refusal, target[1]
        return pycurl.SOCKET_BAD

    def _on_connected(self, *_addresses: object) -> int:
        self._last_activity = time.monotonic()
        return int(pycurl.PREREQFUNC_OK)

    def _on_header(self, line: bytes) -> int | None:
        self._last_activity = time.monotonic()
        try:
            self._parser.feed(line, body_begun=bool(self._received or self._chunks))
        except DownloadError as error:
            self._error = error
            return -1
        return None

    def _explain(self, code: int, words: str) -> DownloadError:
        if self._error is not None:
            return self._error
        if self._refusal and not self._sockets:
            return refusal_error(self._refusal, str(self._host), self._port)
        reason = _REASONS.get(code, Reason.BAD_RESPONSE)
        if reason is Reason.INVALID_URL and self._sockets:
            reason = Reason.BAD_RESPONSE  # libcurl calls HTTP/0.9 an unsupported protocol
        status = self._parser.response.status or None
        advice = _ADVICE.get(reason, "")
        if reason is Reason.BAD_RESPONSE and status in REDIRECT_STATUSES:
            advice = ": use the file's final address as url"
        return DownloadError(reason, f"{words.rstrip('.')}{advice}.", status)


def _check_port(url: str, egress: EgressPolicy) -> None:
    """Check the port of a URL that goes to a proxy: the socket has another."""
    try:
        host, port = urlsplit(url).hostname, effective_port(url) or 0
    except ValueError:
        raise _invalid_url() from None
    if not egress.has_port(port):
        raise refusal_error(Reason.PORT_REFUSED, str(host), port)


def _invalid_url() -> DownloadError:
    advice = _ADVICE[Reason.INVALID_URL]
    return DownloadError(Reason.INVALID_URL, f"The url is not a web address{advice}.")


def _header_line(name: str, value: str) -> str:
    """Write a header as libcurl reads it: one without a value ends in a semicolon."""
    return f"{name}: {value}" if value.strip() else f"{name};"
