"""Pages printed by the real Chromium, and pages that try to get out of it.

A page reports what it finds in its title, which the PDF has in plain text.
"""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from download_schedule.attempt.result import Result
from download_worker.download import download
from download_worker.download_request import DownloadRequest
from download_worker.egress.proxy import egress_proxy
from download_worker.errors import DownloadError, Reason
from download_worker.formats.chromium import PROGRAM
from download_worker.formats.pdf import RenderOptions, pdf_converter
from download_worker.http.curl import ConnectionOptions
from download_worker.http.messages import Request, Response
from download_worker.http.validators import PreviousFile
from download_worker.sink import Sink
from download_worker.volume.output_file import OutputFile
from download_worker.volume.partial_files import PartialFiles
from tests.support.attempts import Pod, policy
from tests.support.http_faults import (
    Exchange,
    FaultServer,
    endless,
    redirect,
    respond,
    response_head,
    run_server,
    stall,
)

# pycurl takes over the descriptor of a socket and leaves the object to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")

HTML = "Content-Type: text/html; charset=utf-8"
ONE = ("127.0.0.1/32",)
"""The only allowed address; the rest of loopback stands for what must not be reached."""


@dataclass
class Printer:
    """Prints pages to a folder."""

    folder: Path
    allowed: tuple[str, ...] = ONE
    denied: tuple[str, ...] = ()
    max_bytes: int = 50_000_000
    headers: tuple[tuple[str, str], ...] = ()
    previous: PreviousFile | None = None
    options: RenderOptions = field(default_factory=lambda: RenderOptions(60, 10))
    stopped: Callable[[], bool] = lambda: False

    def print(self, url: str) -> Result:
        request = DownloadRequest(
            Request(url, self.headers),
            ConnectionOptions(policy(*self.allowed, denied=self.denied)),
            max_bytes=self.max_bytes,
        )
        result, _ = download(
            request,
            self._open_sink,
            progress=lambda *_: None,
            stopped=self.stopped,
            convert=pdf_converter(request, self.options, self.stopped),
            previous=self.previous,
        )
        return result

    def _open_sink(self, _response: Response, _resuming: bool) -> Sink:
        partial = PartialFiles(self.folder, "", "job").create()
        return OutputFile(partial, self.folder, "page.pdf")

    def fail(self, url: str) -> DownloadError:
        """Fail to print, and leave nothing."""
        with pytest.raises(DownloadError) as caught:
            self.print(url)
        assert list(self.folder.iterdir()) == []
        return caught.value

    def title(self) -> str:
        match = re.search(rb"/Title \(([^)]*)\)", (self.folder / "page.pdf").read_bytes())
        return match[1].decode() if match else ""


@pytest.fixture
def printer(tmp_path: Path) -> Printer:
    (tmp_path / "out").mkdir()
    return Printer(tmp_path / "out")


def page(text: str) -> Callable[[Exchange], None]:
    return respond(200, f"<!doctype html><body>{text}".encode(), HTML)


def script(text: str) -> Callable[[Exchange], None]:
    return page(f"<script>{text}</script>")


def paths(server: FaultServer) -> list[str]:
    return [text.split(" ")[1] for text in server.requests]


@dataclass
class Forbidden:
    """An address that must not be connected to."""

    host: str
    port: int
    connections: int = 0


@contextmanager
def forbidden(host: str) -> Iterator[Forbidden]:
    """Listen there and count connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    guarded = Forbidden(f"[{host}]" if ":" in host else host, listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()
                guarded.connections += 1

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield guarded
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_page_is_printed_after_its_scripts_ran(printer: Printer, server: FaultServer) -> None:
    server.on("/style.css", respond(200, b"body{color:red}", "Content-Type: text/css"))
    server.on("/data", respond(200, b"made by a script"))
    url = server.on(
        "/a/page",
        page(
            "<link rel=stylesheet href=/style.css><h1>Hello</h1>"
            "<script>fetch('../data').then(r => r.text()).then(t => document.title = t)</script>"
        ),
    )
    result = printer.print(url)
    pdf = (printer.folder / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert (result.bytes, result.httpStatus) == (len(pdf), 200)
    assert printer.title() == "made by a script"
    assert paths(server)[0] == "/a/page"
    assert sorted(paths(server)[1:]) == ["/data", "/style.css"]


def test_unchanged_page_is_not_printed(printer: Printer, server: FaultServer) -> None:
    printer.previous = PreviousFile("0" * 64, '"v1"', None, "file:///page.pdf")
    result = printer.print(server.on("/p", respond(304, b"", 'ETag: "v1"')))
    assert (result.unchanged, result.location) == (True, "file:///page.pdf")
    assert list(printer.folder.iterdir()) == []


def test_lazy_images_are_loaded(printer: Printer, server: FaultServer) -> None:
    url = server.on("/p", page("<div style=height:30000px></div><img loading=lazy src=/low.png>"))
    printer.print(url)
    assert "/low.png" in paths(server)


def test_page_has_the_address_where_redirects_end(printer: Printer, server: FaultServer) -> None:
    server.on("/new/page", script("document.title = location.pathname"))
    printer.print(server.on("/old", redirect("/new/page")))
    assert printer.title() == "/new/page"


def test_page_is_at_the_fragment_that_survives_a_redirect(
    printer: Printer, server: FaultServer
) -> None:
    server.on("/b", script("document.title=location.pathname+location.hash"))
    printer.print(server.on("/a", redirect("/b")) + "#/chapter")
    assert printer.title() == "/b#/chapter"
    printer.print(server.on("/a", redirect("/b#/own")) + "#/chapter")
    assert printer.title() == "/b#/own"
    assert not any("#" in path for path in paths(server))


def test_page_has_the_cookies_of_its_redirects_and_all_of_its_own(
    printer: Printer, server: FaultServer
) -> None:
    gate = ("Set-Cookie: gate=1", "Set-Cookie: own=0; Path=/b", "Set-Cookie: no=1; HttpOnly")
    own = ("Set-Cookie: own=1; Path=/b", "Set-Cookie: first=1", "Set-Cookie: second=2; Path=/")
    text = "<!doctype html><script>fetch('/b/data').then(r=>r.text()).then(t=>document.title=t)"
    server.on("/b/page", respond(200, f"{text}</script>".encode(), HTML, *own))
    server.on("/b/data", respond(200, b"loaded"))

    printer.print(server.on("/a", respond(302, b"", "Location: /b/page", *gate)))

    assert printer.title() == "loaded"
    head = next(text for text in server.requests if "/b/data" in text)
    sent = re.search("Cookie: (.*)\r\n", head)
    assert sent
    assert set(sent[1].split("; ")) == {"gate=1", "own=1", "no=1", "first=1", "second=2"}


def test_all_content_security_policies_of_a_page_hold(
    printer: Printer, server: FaultServer
) -> None:
    server.on("/image", respond(200, b"", "Content-Type: image/png"))
    server.on("/style", respond(200, b"", "Content-Type: text/css"))
    policies = ("img-src 'none'", "style-src 'none'")
    body = b"<!doctype html><link rel=stylesheet href=/style><img src=/image>"
    lines = (f"Content-Security-Policy: {policy}" for policy in policies)
    printer.print(server.on("/a", respond(200, body, HTML, *lines)))
    assert paths(server) == ["/a"]


def test_credentials_are_sent_with_the_document_only(printer: Printer, server: FaultServer) -> None:
    printer.headers = (("Authorization", "Bearer hush"), ("User-Agent", "robot/1"))
    printer.print(server.on("/p", page("<img src=/x.png>")))
    document, image = server.requests
    assert "Authorization: Bearer hush" in document
    assert "hush" not in image
    assert "User-Agent: robot/1" in image


@pytest.mark.parametrize(
    ("status", "permanent"), [(404, True), (403, True), (500, False), (503, False)]
)
def test_error_page_is_not_printed(
    printer: Printer, server: FaultServer, status: int, permanent: bool
) -> None:
    error = printer.fail(server.on("/p", respond(status, b"<h1>Sorry</h1>", HTML)))
    assert (error.reason, error.status) == (Reason.HTTP_STATUS, status)
    assert error.permanent == permanent


def test_body_that_is_not_a_page_is_not_printed(printer: Printer, server: FaultServer) -> None:
    error = printer.fail(server.on("/p", respond(200, b"{}", "Content-Type: application/json")))
    assert error.reason is Reason.NOT_A_PAGE
    assert error.permanent


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "chrome://version"])
def test_only_web_addresses_are_printed(printer: Printer, url: str) -> None:
    assert printer.fail(url).reason is Reason.INVALID_URL


WAYS = {
    "img": "<img src=http://{target}/>",
    "frame": "<iframe src=http://{target}/></iframe>",
    "object": "<object data=http://{target}/></object>",
    "embed": "<embed src=http://{target}/>",
    "script": "<script src=http://{target}/></script>",
    "style": "<link rel=stylesheet href=http://{target}/>",
    "font": "<style>@font-face{{font-family:x;src:url(http://{target}/)}}*{{font-family:x}}</style>x",
    "video": "<video autoplay src=http://{target}/></video>",
    "preload": "<link rel=preload as=image href=http://{target}/>",
    "prefetch": "<link rel=prefetch href=http://{target}/>",
    "preconnect": "<link rel=preconnect href=http://{target}/>"
    "<link rel=dns-prefetch href=//{target}>",
    "https": "<img src=https://{target}/>",
    "fetch": "<script>fetch('http://{target}/', {{mode: 'no-cors'}})</script>",
    "beacon": "<script>navigator.sendBeacon('http://{target}/', 'x')</script>",
    "events": "<script>new EventSource('http://{target}/')</script>",
    "socket": "<script>new WebSocket('ws://{target}/')</script>",
    "secure socket": "<script>new WebSocket('wss://{target}/')</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob(["
    "\"fetch('http://{target}/', {{mode: 'no-cors'}})\"])))</script>",
    "popup": "<script>window.open('http://{target}/')</script>",
    "form in a frame": "<iframe name=f></iframe><form target=f method=post action=http://{target}/>"
    "</form><script>document.forms[0].submit()</script>",
    "302": "<img src='/go?{target}'>",
    "302 in a frame": "<iframe src='/go?{target}'></iframe>",
}


def redirect_to_query(exchange: Exchange) -> None:
    redirect(f"http://{exchange.path.partition('?')[2]}/")(exchange)


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_nothing_in_a_page_leads_to_a_private_address(
    printer: Printer, server: FaultServer, host: str
) -> None:
    server.on("/go", redirect_to_query)
    with forbidden(host) as guarded:
        target = f"{guarded.host}:{guarded.port}"
        every_way = "".join(way.format(target=target) for way in WAYS.values())
        printer.print(server.on("/p", page(every_way + "<img src=/last.png>")))
        assert "/last.png" in paths(server)
        assert guarded.connections == 0


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"preconnect", "popup"}))
def test_same_requests_succeed_where_the_operator_allows_them(
    printer: Printer, server: FaultServer, way: str
) -> None:
    """Without this, the test above would prove nothing."""
    printer.allowed = ("127.0.0.0/8",)
    server.on("/go", redirect_to_query)
    with forbidden("127.0.0.2") as guarded:
        target = f"{guarded.host}:{guarded.port}"
        printer.print(server.on("/p", page(WAYS[way].format(target=target))))
        assert guarded.connections > 0


def test_refused_address_is_logged(
    printer: Printer, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.on("/p", page("<img src=http://169.254.169.254/latest/meta-data/>"))
    printer.print(url)
    assert "169.254.169.254:80" in caplog.text


NAVIGATIONS = {
    "refresh": "<meta http-equiv=refresh content='0;url=http://{target}/'>",
    "location": "<script>location = 'http://{target}/'</script>",
    "form": "<form method=post action=http://{target}/></form>"
    "<script>document.forms[0].submit()</script>",
    "302": "<script>location = '/go?{target}'</script>",
}


@pytest.mark.parametrize("way", NAVIGATIONS)
def test_page_that_navigates_to_a_private_address_fails(
    printer: Printer, server: FaultServer, way: str
) -> None:
    server.on("/go", redirect_to_query)
    with forbidden("127.0.0.2") as guarded:
        target = f"{guarded.host}:{guarded.port}"
        error = printer.fail(server.on("/p", page(NAVIGATIONS[way].format(target=target))))
        assert guarded.connections == 0
    assert error.reason is Reason.ADDRESS_REFUSED
    assert f"{guarded.host}, to which the page leads, is not a public address" in str(error)


def test_page_that_navigates_to_a_closed_port_fails(printer: Printer, server: FaultServer) -> None:
    refresh = NAVIGATIONS["refresh"].format(target="127.0.0.1:81")
    error = printer.fail(server.on("/p", page(refresh)))
    assert error.reason is Reason.PORT_REFUSED
    assert "127.0.0.1, to which the page leads, cannot be reached at port 81" in str(error)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"preconnect", "popup"}))
def test_nothing_in_a_page_reaches_a_denied_address(
    printer: Printer, server: FaultServer, way: str
) -> None:
    printer.allowed = ("127.0.0.0/8",)
    printer.denied = ("127.0.0.2/32",)
    server.on("/go", redirect_to_query)
    with forbidden("127.0.0.2") as guarded:
        target = f"{guarded.host}:{guarded.port}"
        printer.print(server.on("/p", page(WAYS[way].format(target=target))))
        assert guarded.connections == 0


def test_page_that_navigates_elsewhere_is_printed_from_there(
    printer: Printer, server: FaultServer
) -> None:
    server.on("/there", page("<title>there</title>"))
    printer.print(server.on("/p", page("<meta http-equiv=refresh content='0;url=/there'>")))
    assert printer.title() == "there"


def test_page_that_navigates_to_an_error_fails(printer: Printer, server: FaultServer) -> None:
    error = printer.fail(server.on("/p", page("<script>location = '/gone'</script>")))
    assert (error.reason, error.status) == (Reason.HTTP_STATUS, 404)


def test_no_datagram_is_sent(printer: Printer, server: FaultServer) -> None:
    """WebRTC and WebTransport use UDP, which no proxy sees."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.1)
        target = f"127.0.0.1:{udp.getsockname()[1]}"
        server.on("/slow.png", lambda exchange: (exchange.closing.wait(3), None)[1])
        url = server.on(
            "/p",
            page(
                "<img src=/slow.png><script>"
                f"const p = new RTCPeerConnection({{iceServers: [{{urls: 'stun:{target}'}}]}});"
                "p.createDataChannel('x'); p.createOffer().then(o => p.setLocalDescription(o));"
                f"new WebTransport('https://{target}/').ready.catch(() => 0)</script>"
            ),
        )
        printer.print(url)
        with pytest.raises(TimeoutError):
            udp.recv(2000)


@pytest.mark.parametrize(
    "way",
    [
        "<iframe src={file}></iframe>",
        "<embed src={file}>",
        "<object data={file}></object>",
        "<script>location = '{file}'</script>",
        "<script>window.open('{file}')</script>",
        "<script>fetch('{file}').then(r => r.text()).then(t => new Image().src = '/leak?' + t)"
        "</script>",
        "<script>const x = new XMLHttpRequest(); x.onload = () => new Image().src = '/leak';"
        "x.open('GET', '{file}'); x.send()</script>",
        "<link rel=stylesheet href={file}>",
        "<script src={file}></script>",
        "<iframe src='/go?{file}'></iframe>",
        "<iframe src='view-source:{file}'></iframe>",
    ],
)
def test_page_cannot_read_files_of_the_container(
    printer: Printer, server: FaultServer, tmp_path: Path, way: str
) -> None:
    """The file is a page, a style and a script at once, and requests something when it is read."""
    leak = f"{server.origin}/leak"
    secret = tmp_path / "secret.html"
    secret.write_text(f"/*<img src={leak}><!--*/ new Image().src = '{leak}'; //-->")
    server.on("/go", lambda exchange: redirect(exchange.path.partition("?")[2])(exchange))
    printer.options = RenderOptions(60, 3)
    with suppress(DownloadError):
        printer.print(server.on("/p", page(way.format(file=secret.as_uri()))))
    assert not [path for path in paths(server) if path.startswith("/leak")]


def test_image_file_of_the_container_is_not_shown(
    printer: Printer, server: FaultServer, tmp_path: Path
) -> None:
    image = tmp_path / "x.svg"
    image.write_text("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>")
    url = server.on(
        "/p",
        page(
            f"<img src={image.as_uri()} onload='document.title = \"shown\"' "
            "onerror='document.title = \"blocked\"'>"
        ),
    )
    printer.print(url)
    assert printer.title() == "blocked"


def test_browser_does_not_see_our_environment(
    printer: Printer, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOWNLOAD_HEADER_0", "Bearer hush")
    environments: list[bytes] = []

    def record_environments(exchange: Exchange) -> None:
        for process in browsers():
            with suppress(OSError):
                environments.append((process / "environ").read_bytes())
        respond(404)(exchange)

    server.on("/x.png", record_environments)
    printer.print(server.on("/p", page("<img src=/x.png>")))
    assert environments
    assert not any(b"hush" in environment for environment in environments)


def browsers() -> list[Path]:
    """Return the processes of browsers that this process has started."""
    processes = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if PROGRAM.encode() in command and f"pid-{os.getpid()}-".encode() in command:
                processes.append(process)
    return processes


@pytest.fixture(autouse=True)
def _nothing_is_left(printer: Printer, tmp_path: Path) -> Iterator[None]:
    scratch = tmp_path / f"pid-{os.getpid()}-scratch"
    scratch.mkdir()
    printer.options = RenderOptions(60, 10, scratch)
    yield
    assert list(scratch.iterdir()) == []
    assert browsers() == []


def set_times(printer: Printer, seconds: float, settle_seconds: float) -> None:
    printer.options = RenderOptions(seconds, settle_seconds, printer.options.scratch)


def test_stop_ends_the_browser(printer: Printer, server: FaultServer) -> None:
    reached = threading.Event()
    server.on("/x.png", stall(0, reached))
    printer.stopped = reached.is_set
    assert printer.fail(server.on("/p", page("<img src=/x.png>"))).reason is Reason.STOPPED


def test_page_that_never_settles_is_printed_as_it_is(
    printer: Printer, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    set_times(printer, 60, 2)
    server.on("/poll", stall())
    printer.print(server.on("/p", page("<title>news</title><script>fetch('/poll')</script>")))
    assert printer.title() == "news"
    assert "was still loading" in caplog.text


def test_page_that_waits_for_a_script_is_printed_after_it(
    printer: Printer, server: FaultServer
) -> None:
    def late(exchange: Exchange) -> None:
        exchange.closing.wait(2)
        respond(200, b"document.title = 'late'")(exchange)

    set_times(printer, 60, 1)
    server.on("/late.js", late)
    printer.print(server.on("/p", page("<script src=/late.js></script>")))
    assert printer.title() == "late"


@pytest.mark.parametrize("loop", ["for (;;) {}", "onload = () => { for (;;) {} }"])
def test_page_that_never_returns_times_out(
    printer: Printer, server: FaultServer, loop: str
) -> None:
    set_times(printer, 5, 2)
    error = printer.fail(server.on("/p", script(loop)))
    assert (error.reason, error.permanent) == (Reason.RENDER_TIMEOUT, False)


def test_dialogs_do_not_block_the_page(printer: Printer, server: FaultServer) -> None:
    printer.print(server.on("/p", script("alert(1); document.title = String(confirm('?'))")))
    assert printer.title() == "true"


@pytest.mark.parametrize(
    ("max_bytes", "advice"),
    [(2_000_000, "raise verify.maxBytes"), (10 * 1024**3, "write format html")],
)
def test_page_that_loads_too_much_fails(
    printer: Printer, server: FaultServer, max_bytes: int, advice: str
) -> None:
    printer.max_bytes = max_bytes
    server.on("/x", endless(response_head(200)))
    error = printer.fail(server.on("/p", script("fetch('/x').then(r => r.text())")))
    assert (error.reason, error.permanent) == (Reason.TOO_LARGE, True)
    assert advice in str(error)


def test_pdf_that_is_too_large_is_not_saved(printer: Printer, server: FaultServer) -> None:
    printer.max_bytes = 2000
    error = printer.fail(server.on("/p", page("x")))
    assert error.reason is Reason.TOO_LARGE
    assert "PDF" in str(error)


def test_address_that_no_browser_opens_is_reported(printer: Printer, server: FaultServer) -> None:
    """Browsers refuse the ports of other protocols, such as 6000 (X11)."""
    server.on("/there", page("x"))
    refresh = "<meta http-equiv=refresh content='0;url=http://127.0.0.1:6000/'>"
    error = printer.fail(server.on("/p", page(refresh)))
    assert error.reason is Reason.CONNECTION_FAILED


def test_browser_without_a_scratch_folder_is_reported(
    printer: Printer, server: FaultServer, tmp_path: Path
) -> None:
    printer.options = RenderOptions(scratch=tmp_path / "missing")
    error = printer.fail(server.on("/p", page("x")))
    assert error.reason is Reason.RENDER_FAILED
    assert "/tmp" in str(error)


def test_browser_that_dies_is_reported(
    printer: Printer, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / PROGRAM
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no memory >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    error = printer.fail(server.on("/p", page("x")))
    assert (error.reason, error.permanent) == (Reason.RENDER_FAILED, False)


def test_what_a_page_loads_goes_through_the_proxy(pod: Pod, server: FaultServer) -> None:
    """The worker itself may connect to nothing here."""
    javascript = respond(200, b"document.title = 'loaded'", "Content-Type: text/javascript")
    loaded = server.on("/loaded.js", javascript)
    url = server.on("/x", page(f"<script src={loaded}></script>"))
    with egress_proxy(policy(*ONE), max_bytes=10_000_000, connect_timeout_seconds=5) as stats:
        proxy = f"http://127.0.0.1:{stats.port}"
        attempt = pod.run(url, file_format="pdf", allow="", DOWNLOAD_WORKER_PROXY=proxy)
    assert attempt.code == 0, attempt.out
    assert paths(server) == ["/x", "/loaded.js"]
    assert b"/Title (loaded)" in next(iter(pod.files().values()))


def test_page_cannot_get_past_the_proxy(pod: Pod, server: FaultServer) -> None:
    """The worker itself may connect to the server here, and the proxy says that it has no image."""
    image = server.on("/image", respond(200, b"x"))
    url = server.on("/x", respond(404))
    with run_server() as proxy:
        proxy.behaviours[url] = page(f"<img src={image}>")
        attempt = pod.run(url, file_format="pdf", DOWNLOAD_WORKER_PROXY=proxy.origin)
        assert paths(proxy) == [url, image]
    assert attempt.code == 0, attempt.out
    assert server.requests == []
