"""An attempt in a Pod, against a server that misbehaves in every way known to us."""

import hashlib
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from download_schedule.attempt.result import (
    EXIT_DONE,
    EXIT_PERMANENT,
    EXIT_RETRY,
    EXIT_STOPPED,
    Result,
)
from tests.support.attempts import Ended, Pod
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    answer,
    chunked,
    cut,
    drip,
    endless,
    head,
    raw,
    redirect,
    stall,
)
from tests.support.kubectl import wait_for

SHA256 = hashlib.sha256(BODY).hexdigest()
TICK = "team/nightly/20261123T020000Z"


def failed(ended: Ended, code: int, reason: str) -> None:
    assert (ended.code, ended.result.reason) == (code, reason), (ended.out, ended.err)
    assert (ended.result.message or "").strip(".")
    assert f"{reason}: {ended.result.message}" in ended.out
    assert ended.err == ""


def test_a_file_is_kept_and_described(server: FaultServer, pod: Pod) -> None:
    url = server.on("/r.csv", answer(200, BODY, "Content-Type: text/csv", 'ETag: "v1"'))
    ended = pod.run(url)
    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert pod.files() == {f"{TICK}-r.csv": BODY}
    assert ended.result == Result(
        bytes=len(BODY),
        sha256=SHA256,
        httpStatus=200,
        contentType="text/csv",
        etag='"v1"',
        location=f"volume://data/{TICK}-r.csv",
    )
    assert ended.out.splitlines()[0] == f"GET {url}"
    assert ended.out.splitlines()[-1].startswith(f"done: {len(BODY)} bytes, sha256 {SHA256}")


def test_nothing_is_kept_where_nothing_should_be(server: FaultServer, pod: Pod) -> None:
    ended = pod.run(server.on("/r.csv", answer(200)), path=None)
    assert ended.result == Result(bytes=len(BODY), sha256=SHA256, httpStatus=200)
    assert pod.files() == {}
    assert ended.out.endswith("discarded\n")


def test_headers_go_out_in_order_and_nothing_asks_for_compression(
    server: FaultServer, pod: Pod
) -> None:
    headers = {"X-B": "1", "X-A": "2", "X-Empty": "", "X-Blank": " \t", "User-Agent": "mine"}
    assert pod.run(server.on("/x", answer(200)), headers=headers).code == EXIT_DONE
    (request,) = server.heads
    assert [line for line in request.split("\r\n") if line.startswith(("X-", "User-"))] == [
        "X-B: 1",
        "X-A: 2",
        "X-Empty:",
        "X-Blank:",
        "User-Agent: mine",
    ]
    assert "accept-encoding" not in request.lower()


def test_a_compressed_body_is_kept_as_it_came(server: FaultServer, pod: Pod) -> None:
    body = b"\x1f\x8bnot even gzip"
    pod.run(server.on("/x.gz", answer(200, body, "Content-Encoding: gzip")))
    assert pod.files() == {f"{TICK}-x.gz": body}


@pytest.mark.parametrize("status", [204, 205])
def test_an_empty_success_is_an_empty_file(server: FaultServer, pod: Pod, status: int) -> None:
    ended = pod.run(server.on("/x", raw(head(f"{status} Empty"))))
    assert (ended.code, ended.result.bytes) == (EXIT_DONE, 0)
    assert pod.files() == {f"{TICK}-x": b""}


def test_a_header_in_the_old_encoding_is_read(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", answer(200, BODY, 'Content-Disposition: a; filename="na\xefve"'))
    assert pod.run(url).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-naïve": BODY}


def test_interim_responses_and_trailers_do_not_count(server: FaultServer, pod: Pod) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nETag: early\r\nLocation: /elsewhere\r\n\r\n"
    final = head("200 OK", "ETag: final", f"Content-Length: {len(BODY)}") + BODY
    ended = pod.run(server.on("/x", raw(interim + final)))
    assert (ended.code, ended.result.etag) == (EXIT_DONE, "final")


@pytest.mark.parametrize(
    "field",
    [
        *("HTTP/1.1 500: x", "HTTP/x: y", "ETag: late", "Location: /y", "HTTP/1.1 304 x: y"),
        "HTTP/1.1 302 x: y\r\nLocation: /y",
    ],
)
def test_a_trailer_is_no_head(server: FaultServer, pod: Pod, field: str) -> None:
    ended = pod.run(server.on("/x", chunked(BODY, end=f"0\r\n{field}\r\n\r\n".encode())))
    assert (ended.code, ended.result.httpStatus) == (EXIT_DONE, 200), ended.out
    assert (ended.result.etag, pod.files()) == (None, {f"{TICK}-x": BODY})


def test_a_field_that_looks_like_a_status_is_none(server: FaultServer, pod: Pod) -> None:
    ended = pod.run(server.on("/x", answer(404, b"", "HTTP/1.1 200: x")))
    failed(ended, EXIT_PERMANENT, "HTTPStatus")
    assert ended.result.httpStatus == 404


def test_a_body_without_length_is_taken_to_its_end(server: FaultServer, pod: Pod) -> None:
    assert pod.run(server.on("/x", raw(head("200 OK") + BODY))).result.sha256 == SHA256


def test_a_chunked_body_is_put_together(server: FaultServer, pod: Pod) -> None:
    assert pod.run(server.on("/x", chunked(BODY[:7], BODY[7:]))).result.sha256 == SHA256


@pytest.mark.parametrize(
    "behaviour",
    [
        cut(0),
        cut(1),
        cut(len(BODY) - 1),
        chunked(BODY, end=b""),
        chunked(BODY, end=b"ff\r\nshort"),
    ],
    ids=["none", "one byte", "all but one byte", "no last chunk", "cut in a chunk"],
)
def test_a_body_cut_short_is_never_a_file(
    server: FaultServer, pod: Pod, behaviour: Behaviour
) -> None:
    failed(pod.run(server.on("/x", behaviour)), EXIT_RETRY, "IncompleteBody")
    assert pod.files() == {}


def test_the_next_attempt_mends_it(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", cut(100), answer(200))
    assert pod.run(url).code == EXIT_RETRY
    assert pod.run(url).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-x": BODY}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, EXIT_PERMANENT) for status in (400, 401, 403, 404, 410, 451, 300, 304)),
        *((status, EXIT_RETRY) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_statuses(server: FaultServer, pod: Pod, status: int, code: int) -> None:
    ended = pod.run(server.on("/x", answer(status, b"")))
    failed(ended, code, "HTTPStatus")
    assert ended.result.httpStatus == status
    assert pod.files() == {}


@pytest.mark.parametrize("status", [600, 999])
def test_a_status_that_http_does_not_have_is_told_in_words(
    server: FaultServer, pod: Pod, status: int
) -> None:
    ended = pod.run(server.on("/x", answer(status, b"")))
    failed(ended, EXIT_PERMANENT, "HTTPStatus")
    assert f"answered {status}" in (ended.result.message or "")
    assert ended.result.httpStatus is None


def test_the_body_of_an_error_is_not_waited_for(server: FaultServer, pod: Pod) -> None:
    failed(pod.run(server.on("/x", endless(head("500 Sorry")))), EXIT_RETRY, "HTTPStatus")


def test_a_part_that_nobody_asked_for_is_refused(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", answer(206, BODY[:5], "Content-Range: bytes 0-4/45000"))
    failed(pod.run(url), EXIT_RETRY, "BadResponse")
    assert pod.files() == {}


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is not HTTP\r\n\r\n",
        head("200 OK", "Content-Length: -5") + BODY,
        b"HTTP/1.1 200 OK\r\n" + b"X-Pad: " + b"x" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Pad: x\r\n" * 100_000 + b"\r\n",
        head("200 OK", "Transfer-Encoding: sdch, chunked") + b"0\r\n\r\n",
        head("2000 OK", "Content-Length: 0"),
    ],
    ids=["no HTTP", "negative length", "huge header", "many headers", "bad coding", "status"],
)
def test_what_is_no_response_is_refused(server: FaultServer, pod: Pod, data: bytes) -> None:
    ended = pod.run(server.on("/x", raw(data)))
    failed(ended, EXIT_RETRY, "BadResponse")
    assert pod.files() == {}


def test_broken_framing_is_tried_again(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", chunked(BODY, end=b"zz\r\n"))
    failed(pod.run(url), EXIT_RETRY, "ConnectionLost")
    assert pod.files() == {}


def test_a_server_that_hangs_up_at_once_is_tried_again(server: FaultServer, pod: Pod) -> None:
    failed(pod.run(server.on("/x", raw(b""))), EXIT_RETRY, "ConnectionLost")


@pytest.mark.parametrize("after", [0, 1000])
def test_a_silent_server_is_left(server: FaultServer, pod: Pod, after: int) -> None:
    pod.stall_seconds = 1
    failed(pod.run(server.on("/x", stall(after))), EXIT_RETRY, "Stalled")
    assert pod.files() == {}


def test_a_slow_server_is_not_left(server: FaultServer, pod: Pod) -> None:
    pod.stall_seconds = 1.5
    ended = pod.run(server.on("/x", drip(0.5, 6)))
    assert (ended.code, ended.result.bytes) == (EXIT_DONE, 6)


def test_progress_is_told_every_few_seconds(server: FaultServer, pod: Pod) -> None:
    ended = pod.run(server.on("/x", drip(1.1, 6)))
    assert [line for line in ended.out.splitlines() if "MB/s" in line]


def test_redirects_are_followed_and_name_the_file(server: FaultServer, pod: Pod) -> None:
    server.on("/final.csv", answer(200))
    server.on("/2", redirect("final.csv#x", 307))
    ended = pod.run(server.on("/1", redirect(f"{server.origin}/2", 301)))
    assert (ended.code, list(pod.files())) == (EXIT_DONE, [f"{TICK}-final.csv"])


@pytest.mark.parametrize("location", ["/ü mit Leerzeichen", "/%C3%BC%20mit%20Leerzeichen"])
def test_a_redirect_in_any_spelling_is_followed(
    server: FaultServer, pod: Pod, location: str
) -> None:
    server.on("/%C3%BC%20mit%20Leerzeichen", answer(200))
    start = head("302 Found").replace(b"Connection", f"Location: {location}\r\nX".encode())
    assert pod.run(server.on("/x", raw(start))).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-ü mit Leerzeichen": BODY}


def test_a_redirect_in_the_old_encoding_leads_to_the_same_bytes(
    server: FaultServer, pod: Pod
) -> None:
    server.on("/na%EFve", answer(200))
    assert pod.run(server.on("/x", redirect("/na\xefve"))).code == EXIT_DONE


def test_the_body_of_a_redirect_is_not_waited_for(server: FaultServer, pod: Pod) -> None:
    server.on("/y", answer(200))
    ended = pod.run(server.on("/x", endless(head("302 Found", "Location: /y"))))
    assert ended.code == EXIT_DONE


def test_five_redirects_and_no_more(server: FaultServer, pod: Pod) -> None:
    for number in range(6):
        server.on(f"/{number}", redirect(f"/{number + 1}"))
    server.on("/6", answer(200))
    failed(pod.run(f"{server.origin}/0"), EXIT_PERMANENT, "TooManyRedirects")
    assert len(server.heads) == 6
    assert pod.run(f"{server.origin}/1").code == EXIT_DONE


def test_a_loop_of_redirects_ends(server: FaultServer, pod: Pod) -> None:
    failed(pod.run(server.on("/x", redirect("/x"))), EXIT_PERMANENT, "TooManyRedirects")


@pytest.mark.parametrize("location", ["ftp://example.com/", "file:///etc/passwd", "http://u@h/"])
def test_a_redirect_off_the_web_is_refused(server: FaultServer, pod: Pod, location: str) -> None:
    failed(pod.run(server.on("/x", redirect(location))), EXIT_PERMANENT, "BadRedirect")


def test_a_redirect_without_location_is_an_answer(server: FaultServer, pod: Pod) -> None:
    failed(pod.run(server.on("/x", answer(302))), EXIT_PERMANENT, "HTTPStatus")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="../../../etc/cron.d/x"', "x"),
        ("attachment; filename*=UTF-8''..%2F..%2Fna%C3%AFve.txt", "naïve.txt"),
        ('attachment; filename=".."', "r.csv"),
        ('attachment; filename="' + "x" * 5000 + '"', "x" * 200),
    ],
)
def test_the_server_names_the_file_but_not_its_place(
    server: FaultServer, pod: Pod, disposition: str, name: str
) -> None:
    url = server.on("/r.csv", answer(200, BODY, f"Content-Disposition: {disposition}"))
    assert pod.run(url).code == EXIT_DONE
    assert list(pod.files()) == [f"{TICK}-{name}"]


def test_without_a_tick_the_path_has_the_moment_of_the_start(server: FaultServer, pod: Pod) -> None:
    arrivals: list[str] = []

    def late(exchange: Exchange) -> None:
        arrivals.append(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        exchange.closing.wait(1.1)
        answer(200)(exchange)

    assert pod.run(server.on("/x", late), path="{scheduled}", DOWNLOAD_JOB="by-hand").code == 0
    (scheduled,) = pod.files()
    assert scheduled <= arrivals[0]


def test_a_link_on_the_volume_does_not_lead_out(
    server: FaultServer, pod: Pod, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (pod.data / "team").symlink_to(tmp_path / "outside")
    failed(pod.run(server.on("/x", answer(200))), EXIT_PERMANENT, "UnsafePath")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_missing_volume_is_told(server: FaultServer, pod: Pod) -> None:
    pod.data.rmdir()
    failed(pod.run(server.on("/x", answer(200))), EXIT_RETRY, "WriteFailed")


def test_sigterm_leaves_nothing_behind(server: FaultServer, pod: Pod) -> None:
    reached = threading.Event()
    process = pod.start(server.on("/x", stall(30_000, reached)))
    assert reached.wait(30)
    wait_for_part(pod)
    process.send_signal(signal.SIGTERM)
    failed(pod.end(process), EXIT_STOPPED, "Stopped")
    assert pod.files() == {}
    assert pod.parts() == []


def test_what_a_killed_attempt_left_goes_with_the_next(server: FaultServer, pod: Pod) -> None:
    reached = threading.Event()
    url = server.on("/x", stall(30_000, reached), answer(200))
    process = pod.start(url)
    assert reached.wait(30)
    wait_for_part(pod)
    process.kill()
    assert pod.end(process).code == -signal.SIGKILL
    (leftover,) = pod.parts()
    assert leftover.name.startswith(".team.nightly.")
    assert pod.run(url).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-x": BODY}
    assert pod.parts() == []


def test_private_addresses_are_refused_for_good(server: FaultServer, pod: Pod) -> None:
    ended = pod.run(server.on("/x", answer(200)), allow="")
    failed(ended, EXIT_PERMANENT, "AddressRefused")
    assert "127.0.0.1 is not a public address" in (ended.result.message or "")
    assert server.heads == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_gets_around_it(server: FaultServer, pod: Pod, host: str) -> None:
    url = server.on("/x", answer(200)).replace("127.0.0.1", host)
    failed(pod.run(url, allow="10.0.0.0/8"), EXIT_PERMANENT, "AddressRefused")
    assert server.heads == []


def test_no_redirect_gets_around_it(server: FaultServer, pod: Pod) -> None:
    target = server.on("/y", answer(200)).replace("127.0.0.1", "127.0.0.2")
    failed(pod.run(server.on("/x", redirect(target))), EXIT_PERMANENT, "AddressRefused")
    assert len(server.heads) == 1


def test_proxies_of_the_environment_are_ignored(server: FaultServer, pod: Pod) -> None:
    proxy = "http://127.0.0.1:1"
    ended = pod.run(server.on("/x", answer(200)), http_proxy=proxy, ALL_PROXY=proxy)
    assert ended.code == EXIT_DONE


def test_a_name_that_nobody_has_is_tried_again(pod: Pod) -> None:
    failed(pod.run("http://nobody.invalid/"), EXIT_RETRY, "HostNotFound")
    proxy = "http://nobody.invalid:3128"
    failed(pod.run("http://a.invalid/", DOWNLOAD_WORKER_PROXY=proxy), EXIT_RETRY, "HostNotFound")


def test_what_a_proxy_says_is_no_answer_of_the_server(server: FaultServer, pod: Pod) -> None:
    """The proxy opens the way, and nothing comes through it; or it does not open it."""
    server.on("nobody.invalid:443", raw(b"HTTP/1.1 200 Connected\r\n\r\n"))
    ended = pod.run("https://nobody.invalid/", DOWNLOAD_WORKER_PROXY=server.origin)
    failed(ended, EXIT_RETRY, "TLSFailed")
    assert ended.result.httpStatus is None
    server.on("nobody.invalid:443", answer(503))
    ended = pod.run("https://nobody.invalid/", DOWNLOAD_WORKER_PROXY=server.origin)
    failed(ended, EXIT_RETRY, "ConnectionFailed")
    assert "503" in (ended.result.message or "")
    assert ended.result.httpStatus is None


def test_a_closed_port_is_tried_again(pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failed(pod.run(f"http://127.0.0.1:{port}/"), EXIT_RETRY, "ConnectionFailed")


def test_a_host_with_one_address_refused_and_one_down_is_tried_again(pod: Pod) -> None:
    """libcurl itself resolves localhost to both ::1 and 127.0.0.1; only one is allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failed(pod.run(f"http://localhost:{port}/"), EXIT_RETRY, "ConnectionFailed")


@contextmanager
def unanswered() -> Iterator[socket.socket]:
    """A listener whose queue is full leaves further connections waiting (listen(2))."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
        for each in waiting:
            each.close()


def origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def test_an_unanswered_connection_is_tried_again(pod: Pod) -> None:
    pod.connect_seconds = 1
    with unanswered() as listener:
        failed(pod.run(f"http://{origin(listener)}/"), EXIT_RETRY, "ConnectTimeout")


def test_the_time_that_a_connection_takes_is_no_silence(pod: Pod) -> None:
    """What asks for a connection is sent again after one second and after three."""
    pod.stall_seconds = 2

    def accept(listener: socket.socket, server: FaultServer) -> None:
        with suppress(OSError):
            while True:
                serving = threading.Thread(target=server.serve, args=listener.accept()[:1])
                serving.start()

    with unanswered() as listener:
        server = FaultServer(f"http://{origin(listener)}")
        threading.Timer(2, accept, (listener, server)).start()
        assert pod.run(server.on("/x", answer(200))).code == EXIT_DONE


def test_sigterm_ends_the_wait_for_a_connection(pod: Pod) -> None:
    pod.connect_seconds = 300
    with unanswered() as listener, socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (f"http://{origin(listener)}/", f"https://{origin(silent)}/"):
            process = pod.start(url)
            assert process.stdout
            process.stdout.readline()  # of the request: by then SIGTERM has its handler
            process.send_signal(signal.SIGTERM)
            failed(pod.end(process), EXIT_STOPPED, "Stopped")


def test_an_environment_of_another_version_is_refused(pod: Pod) -> None:
    ended = pod.run("http://127.0.0.1/", DOWNLOAD_SPEC="{}")
    failed(ended, EXIT_PERMANENT, "InvalidSpec")


def test_a_fault_of_the_worker_is_reported_too(server: FaultServer, pod: Pod) -> None:
    ended = pod.run(server.on("/x", answer(200)).replace("/x", "/é"))
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "InternalError")
    assert "UnicodeEncodeError" in (ended.result.message or "")


def wait_for_part(pod: Pod) -> None:
    """Wait until the attempt has made its part."""
    wait_for("the part", pod.parts)
