"""Pages printed by the real Chromium, and pages that try to get out of it.

What a page found out it says in its title, which the PDF has in plain text.
"""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from download_schedule.attempt.result import Result
from download_worker.download import Order, Surroundings, download
from download_worker.errors import DownloadError, Reason
from download_worker.formats.chromium import PROGRAM
from download_worker.formats.pdf import Rendering
from download_worker.formats.pdf import printer as printer_of
from download_worker.http.curl import Limits
from download_worker.http.redirects import Request
from download_worker.http.validators import Known
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Parts
from tests.support.http_faults import Exchange, FaultServer, answer, endless, head, redirect, stall

# pycurl takes the descriptor of a socket that it is given, and leaves the object to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")

HTML = "Content-Type: text/html; charset=utf-8"
ONE = ("127.0.0.1/32",)
"""The one address allowed; all else of loopback stands for what must not be reached."""


@dataclass
class Printer:
    """Prints pages to a folder."""

    folder: Path
    allowed: tuple[str, ...] = ONE
    max_bytes: int = 50_000_000
    headers: tuple[tuple[str, str], ...] = ()
    known: Known | None = None
    rendering: Rendering = field(default_factory=lambda: Rendering(60, 10))
    stopped: Callable[[], bool] = lambda: False

    def print(self, url: str) -> Result:
        limits = Limits(tuple(ip_network(text) for text in self.allowed))
        request = Request(url, self.headers)
        order = Order(request, limits, max_bytes=self.max_bytes, known=self.known)
        around = Surroundings(
            lambda *_: File(Parts(self.folder, "", "job").new(), self.folder, "page.pdf"),
            lambda *_: None,
            self.stopped,
            convert=printer_of(order, self.rendering, self.stopped),
        )
        return download(order, around)

    def fail(self, url: str) -> DownloadError:
        """Print what cannot be printed; nothing is left."""
        with pytest.raises(DownloadError) as caught:
            self.print(url)
        assert list(self.folder.iterdir()) == []
        return caught.value

    def title(self) -> str:
        found = re.search(rb"/Title \(([^)]*)\)", (self.folder / "page.pdf").read_bytes())
        return found[1].decode() if found else ""


@pytest.fixture
def printer(tmp_path: Path) -> Printer:
    (tmp_path / "out").mkdir()
    return Printer(tmp_path / "out")


def page(text: str) -> Callable[[Exchange], None]:
    return answer(200, f"<!doctype html><body>{text}".encode(), HTML)


def script(text: str) -> Callable[[Exchange], None]:
    return page(f"<script>{text}</script>")


def paths(server: FaultServer) -> list[str]:
    return [text.split(" ")[1] for text in server.heads]


@dataclass
class Forbidden:
    """An address that nobody may connect to."""

    host: str
    port: int
    connections: int = 0


@contextmanager
def forbidden(host: str) -> Iterator[Forbidden]:
    """Listen there and count who comes."""
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


def test_a_page_is_printed_with_all_that_its_scripts_do(
    printer: Printer, server: FaultServer
) -> None:
    server.on("/style.css", answer(200, b"body{color:red}", "Content-Type: text/css"))
    server.on("/data", answer(200, b"made by a script"))
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


def test_a_page_that_is_not_news_is_not_printed(printer: Printer, server: FaultServer) -> None:
    printer.known = Known("0" * 64, '"v1"', None)
    result = printer.print(server.on("/p", answer(304, b"", 'ETag: "v1"')))
    assert result.unchanged
    assert list(printer.folder.iterdir()) == []


def test_images_below_the_fold_are_there(printer: Printer, server: FaultServer) -> None:
    url = server.on("/p", page("<div style=height:30000px></div><img loading=lazy src=/low.png>"))
    printer.print(url)
    assert "/low.png" in paths(server)


def test_the_page_is_where_redirects_end(printer: Printer, server: FaultServer) -> None:
    server.on("/new/page", script("document.title = location.pathname"))
    printer.print(server.on("/old", redirect("/new/page")))
    assert printer.title() == "/new/page"


def test_credentials_go_with_the_document_and_nowhere_else(
    printer: Printer, server: FaultServer
) -> None:
    printer.headers = (("Authorization", "Bearer hush"), ("User-Agent", "robot/1"))
    printer.print(server.on("/p", page("<img src=/x.png>")))
    document, image = server.heads
    assert "Authorization: Bearer hush" in document
    assert "hush" not in image
    assert "User-Agent: robot/1" in image


@pytest.mark.parametrize(
    ("status", "permanent"), [(404, True), (403, True), (500, False), (503, False)]
)
def test_an_error_page_is_not_printed(
    printer: Printer, server: FaultServer, status: int, permanent: bool
) -> None:
    error = printer.fail(server.on("/p", answer(status, b"<h1>Sorry</h1>", HTML)))
    assert (error.reason, error.status) == (Reason.HTTP_STATUS, status)
    assert error.permanent == permanent


def test_what_is_no_page_is_not_printed(printer: Printer, server: FaultServer) -> None:
    error = printer.fail(server.on("/p", answer(200, b"{}", "Content-Type: application/json")))
    assert error.reason is Reason.NOT_A_PAGE
    assert error.permanent


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "chrome://version"])
def test_only_the_web_is_printed(printer: Printer, url: str) -> None:
    assert printer.fail(url).reason is Reason.INVALID_URL


WAYS = {
    "img": "<img src=http://{at}/>",
    "frame": "<iframe src=http://{at}/></iframe>",
    "object": "<object data=http://{at}/></object>",
    "embed": "<embed src=http://{at}/>",
    "script": "<script src=http://{at}/></script>",
    "style": "<link rel=stylesheet href=http://{at}/>",
    "font": "<style>@font-face{{font-family:x;src:url(http://{at}/)}}*{{font-family:x}}</style>x",
    "video": "<video autoplay src=http://{at}/></video>",
    "preload": "<link rel=preload as=image href=http://{at}/>",
    "prefetch": "<link rel=prefetch href=http://{at}/>",
    "preconnect": "<link rel=preconnect href=http://{at}/><link rel=dns-prefetch href=//{at}>",
    "https": "<img src=https://{at}/>",
    "fetch": "<script>fetch('http://{at}/', {{mode: 'no-cors'}})</script>",
    "beacon": "<script>navigator.sendBeacon('http://{at}/', 'x')</script>",
    "events": "<script>new EventSource('http://{at}/')</script>",
    "socket": "<script>new WebSocket('ws://{at}/')</script>",
    "secure socket": "<script>new WebSocket('wss://{at}/')</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob(["
    "\"fetch('http://{at}/', {{mode: 'no-cors'}})\"])))</script>",
    "popup": "<script>window.open('http://{at}/')</script>",
    "form in a frame": "<iframe name=f></iframe><form target=f method=post action=http://{at}/>"
    "</form><script>document.forms[0].submit()</script>",
    "302": "<img src='/go?{at}'>",
    "302 in a frame": "<iframe src='/go?{at}'></iframe>",
}


def lead_away(exchange: Exchange) -> None:
    redirect(f"http://{exchange.head.split(' ')[1].partition('?')[2]}/")(exchange)


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_nothing_in_a_page_leads_to_a_private_address(
    printer: Printer, server: FaultServer, host: str
) -> None:
    server.on("/go", lead_away)
    with forbidden(host) as guarded:
        at = f"{guarded.host}:{guarded.port}"
        every_way = "".join(way.format(at=at) for way in WAYS.values())
        printer.print(server.on("/p", page(every_way + "<img src=/last.png>")))
        assert "/last.png" in paths(server)
        assert guarded.connections == 0


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"preconnect", "popup"}))
def test_the_same_ways_are_open_where_the_operator_allows_them(
    printer: Printer, server: FaultServer, way: str
) -> None:
    """So that the test above says something."""
    printer.allowed = ("127.0.0.0/8",)
    server.on("/go", lead_away)
    with forbidden("127.0.0.2") as guarded:
        at = f"{guarded.host}:{guarded.port}"
        printer.print(server.on("/p", page(WAYS[way].format(at=at))))
        assert guarded.connections > 0


def test_what_was_refused_is_said(
    printer: Printer, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.on("/p", page("<img src=http://169.254.169.254/latest/meta-data/>"))
    printer.print(url)
    assert "169.254.169.254:80" in caplog.text


LEADING = {
    "refresh": "<meta http-equiv=refresh content='0;url=http://{at}/'>",
    "location": "<script>location = 'http://{at}/'</script>",
    "form": "<form method=post action=http://{at}/></form>"
    "<script>document.forms[0].submit()</script>",
    "302": "<script>location = '/go?{at}'</script>",
}


@pytest.mark.parametrize("way", LEADING)
def test_a_page_that_leads_to_a_private_address_fails(
    printer: Printer, server: FaultServer, way: str
) -> None:
    server.on("/go", lead_away)
    with forbidden("127.0.0.2") as guarded:
        at = f"{guarded.host}:{guarded.port}"
        error = printer.fail(server.on("/p", page(LEADING[way].format(at=at))))
        assert guarded.connections == 0
    assert error.reason is Reason.ADDRESS_REFUSED
    assert at in str(error)


def test_a_page_that_leads_to_another_is_that_other(printer: Printer, server: FaultServer) -> None:
    server.on("/there", page("<title>there</title>"))
    printer.print(server.on("/p", page("<meta http-equiv=refresh content='0;url=/there'>")))
    assert printer.title() == "there"


def test_a_page_that_leads_to_an_error_fails(printer: Printer, server: FaultServer) -> None:
    error = printer.fail(server.on("/p", page("<script>location = '/gone'</script>")))
    assert (error.reason, error.status) == (Reason.HTTP_STATUS, 404)


def test_no_datagram_leaves(printer: Printer, server: FaultServer) -> None:
    """WebRTC and WebTransport would speak UDP, which no proxy sees."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.1)
        at = f"127.0.0.1:{udp.getsockname()[1]}"
        server.on("/slow.png", lambda exchange: (exchange.closing.wait(3), None)[1])
        url = server.on(
            "/p",
            page(
                "<img src=/slow.png><script>"
                f"const p = new RTCPeerConnection({{iceServers: [{{urls: 'stun:{at}'}}]}});"
                "p.createDataChannel('x'); p.createOffer().then(o => p.setLocalDescription(o));"
                f"new WebTransport('https://{at}/').ready.catch(() => 0)</script>"
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
def test_a_page_reads_no_file_of_the_container(
    printer: Printer, server: FaultServer, tmp_path: Path, way: str
) -> None:
    """The file is a page, a style and a script at once, and tells the server when it is read."""
    leak = f"{server.origin}/leak"
    secret = tmp_path / "secret.html"
    secret.write_text(f"/*<img src={leak}><!--*/ new Image().src = '{leak}'; //-->")
    server.on("/go", lambda x: redirect(x.head.split(" ")[1].partition("?")[2])(x))
    printer.rendering = Rendering(60, 3)
    with suppress(DownloadError):
        printer.print(server.on("/p", page(way.format(file=secret.as_uri()))))
    assert not [path for path in paths(server) if path.startswith("/leak")]


def test_an_image_of_the_container_is_not_shown(
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


def test_the_browser_has_nothing_of_our_environment(
    printer: Printer, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOWNLOAD_HEADER_0", "Bearer hush")
    environments: list[bytes] = []

    def look(exchange: Exchange) -> None:
        for process in browsers():
            with suppress(OSError):
                environments.append((process / "environ").read_bytes())
        answer(404)(exchange)

    server.on("/x.png", look)
    printer.print(server.on("/p", page("<img src=/x.png>")))
    assert environments
    assert not any(b"hush" in each for each in environments)


def browsers() -> list[Path]:
    """The processes of browsers that this process has started, wherever they are by now."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            words = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if PROGRAM.encode() in words and f"pid-{os.getpid()}-".encode() in words:
                found.append(process)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left(printer: Printer, tmp_path: Path) -> Iterator[None]:
    scratch = tmp_path / f"pid-{os.getpid()}-scratch"
    scratch.mkdir()
    printer.rendering = Rendering(60, 10, scratch)
    yield
    assert list(scratch.iterdir()) == []
    assert browsers() == []


def with_times(printer: Printer, seconds: float, settle_seconds: float) -> None:
    printer.rendering = Rendering(seconds, settle_seconds, printer.rendering.scratch)


def test_stopping_takes_the_browser_along(printer: Printer, server: FaultServer) -> None:
    reached = threading.Event()
    server.on("/x.png", stall(0, reached))
    printer.stopped = reached.is_set
    assert printer.fail(server.on("/p", page("<img src=/x.png>"))).reason is Reason.STOPPED


def test_a_page_that_never_rests_is_printed_as_it_is(
    printer: Printer, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    with_times(printer, 60, 2)
    server.on("/poll", stall())
    printer.print(server.on("/p", page("<title>news</title><script>fetch('/poll')</script>")))
    assert printer.title() == "news"
    assert "still asked for more" in caplog.text


def test_a_page_that_waits_for_a_script_is_waited_for(
    printer: Printer, server: FaultServer
) -> None:
    def late(exchange: Exchange) -> None:
        exchange.closing.wait(2)
        answer(200, b"document.title = 'late'")(exchange)

    with_times(printer, 60, 1)
    server.on("/late.js", late)
    printer.print(server.on("/p", page("<script src=/late.js></script>")))
    assert printer.title() == "late"


@pytest.mark.parametrize("loop", ["for (;;) {}", "onload = () => { for (;;) {} }"])
def test_a_page_that_never_lets_go_is_given_up(
    printer: Printer, server: FaultServer, loop: str
) -> None:
    with_times(printer, 5, 2)
    error = printer.fail(server.on("/p", script(loop)))
    assert (error.reason, error.permanent) == (Reason.RENDER_TIMEOUT, False)


def test_questions_do_not_hold_the_page_up(printer: Printer, server: FaultServer) -> None:
    printer.print(server.on("/p", script("alert(1); document.title = String(confirm('?'))")))
    assert printer.title() == "true"


@pytest.mark.parametrize(
    ("max_bytes", "advice"),
    [(2_000_000, "raise verify.maxBytes"), (10 * 1024**3, "write format html")],
)
def test_a_page_that_loads_too_much_fails(
    printer: Printer, server: FaultServer, max_bytes: int, advice: str
) -> None:
    printer.max_bytes = max_bytes
    server.on("/x", endless(head(200)))
    error = printer.fail(server.on("/p", script("fetch('/x').then(r => r.text())")))
    assert (error.reason, error.permanent) == (Reason.TOO_LARGE, True)
    assert advice in str(error)


def test_a_pdf_that_is_too_large_is_not_kept(printer: Printer, server: FaultServer) -> None:
    printer.max_bytes = 2000
    error = printer.fail(server.on("/p", page("x")))
    assert error.reason is Reason.TOO_LARGE
    assert "PDF" in str(error)


def test_an_address_that_no_browser_opens_is_said(printer: Printer, server: FaultServer) -> None:
    """Browsers keep off the ports of other protocols, 6000 (X11) among them."""
    server.on("/there", page("x"))
    refresh = "<meta http-equiv=refresh content='0;url=http://127.0.0.1:6000/'>"
    error = printer.fail(server.on("/p", page(refresh)))
    assert error.reason is Reason.CONNECTION_FAILED


def test_a_browser_without_a_folder_is_said(
    printer: Printer, server: FaultServer, tmp_path: Path
) -> None:
    printer.rendering = Rendering(scratch=tmp_path / "missing")
    error = printer.fail(server.on("/p", page("x")))
    assert error.reason is Reason.RENDER_FAILED
    assert "/tmp" in str(error)


def test_a_browser_that_dies_is_no_page(
    printer: Printer, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / PROGRAM
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no memory >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    error = printer.fail(server.on("/p", page("x")))
    assert (error.reason, error.permanent) == (Reason.RENDER_FAILED, False)
