"""An attempt in a Pod, against a server that misbehaves in every way we know of."""

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
from tests.support.attempts import FinishedAttempt, Pod
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    chunked,
    cut,
    drip,
    endless,
    redirect,
    respond,
    response_head,
    send,
    stall,
)
from tools.cluster.kubectl import wait_for

SHA256 = hashlib.sha256(BODY).hexdigest()
TICK = "team/nightly/20261123T020000Z"


def assert_failed(attempt: FinishedAttempt, code: int, reason: str) -> None:
    assert attempt.outcome == (code, reason), (attempt.out, attempt.err)
    assert (attempt.result.message or "").strip(".")
    assert f"{reason}: {attempt.result.message}" in attempt.out
    assert attempt.err == ""


def test_file_is_saved_and_described(server: FaultServer, pod: Pod) -> None:
    url = server.on("/r.csv", respond(200, BODY, "Content-Type: text/csv", 'ETag: "v1"'))
    attempt = pod.run(url)
    assert (attempt.code, attempt.err) == (EXIT_DONE, "")
    assert pod.files() == {f"{TICK}-r.csv": BODY}
    assert attempt.result == Result(
        bytes=len(BODY),
        sha256=SHA256,
        httpStatus=200,
        contentType="text/csv",
        etag='"v1"',
        location=f"volume://data/{TICK}-r.csv",
    )
    assert attempt.out.splitlines()[0] == f"GET {url}"
    assert attempt.out.splitlines()[-1].startswith(f"done: {len(BODY)} bytes, sha256 {SHA256}")


def test_discarded_file_is_described(server: FaultServer, pod: Pod) -> None:
    attempt = pod.run(server.on("/r.csv", respond(200)), path=None)
    assert attempt.result == Result(bytes=len(BODY), sha256=SHA256, httpStatus=200)
    assert pod.files() == {}
    assert attempt.out.endswith("discarded\n")


def test_headers_are_sent_in_order_without_accept_encoding(server: FaultServer, pod: Pod) -> None:
    headers = {"X-B": "1", "X-A": "2", "X-Empty": "", "X-Blank": " \t", "User-Agent": "mine"}
    assert pod.run(server.on("/x", respond(200)), headers=headers).code == EXIT_DONE
    (request,) = server.requests
    assert [line for line in request.split("\r\n") if line.startswith(("X-", "User-"))] == [
        "X-B: 1",
        "X-A: 2",
        "X-Empty:",
        "X-Blank:",
        "User-Agent: mine",
    ]
    assert "accept-encoding" not in request.lower()


def test_compressed_body_is_saved_as_it_is(server: FaultServer, pod: Pod) -> None:
    body = b"\x1f\x8bnot even gzip"
    pod.run(server.on("/x.gz", respond(200, body, "Content-Encoding: gzip")))
    assert pod.files() == {f"{TICK}-x.gz": body}


@pytest.mark.parametrize("status", [204, 205])
def test_success_without_a_body_is_an_empty_file(
    server: FaultServer, pod: Pod, status: int
) -> None:
    attempt = pod.run(server.on("/x", send(response_head(f"{status} Empty"))))
    assert (attempt.code, attempt.result.bytes) == (EXIT_DONE, 0)
    assert pod.files() == {f"{TICK}-x": b""}


def test_header_in_latin_1_is_read(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", respond(200, BODY, 'Content-Disposition: a; filename="na\xefve"'))
    assert pod.run(url).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-naïve": BODY}


def test_headers_of_an_interim_response_do_not_count(server: FaultServer, pod: Pod) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nETag: early\r\nLocation: /elsewhere\r\n\r\n"
    final = response_head("200 OK", "ETag: final", f"Content-Length: {len(BODY)}") + BODY
    attempt = pod.run(server.on("/x", send(interim + final)))
    assert (attempt.code, attempt.result.etag) == (EXIT_DONE, "final")


@pytest.mark.parametrize(
    "trailer",
    [
        *("HTTP/1.1 500: x", "HTTP/x: y", "ETag: late", "Location: /y", "HTTP/1.1 304 x: y"),
        "HTTP/1.1 302 x: y\r\nLocation: /y",
    ],
)
def test_trailer_is_not_parsed_as_a_status_line(
    server: FaultServer, pod: Pod, trailer: str
) -> None:
    attempt = pod.run(server.on("/x", chunked(BODY, end=f"0\r\n{trailer}\r\n\r\n".encode())))
    assert (attempt.code, attempt.result.httpStatus) == (EXIT_DONE, 200), attempt.out
    assert (attempt.result.etag, pod.files()) == (None, {f"{TICK}-x": BODY})


def test_header_that_looks_like_a_status_line_is_a_header(server: FaultServer, pod: Pod) -> None:
    attempt = pod.run(server.on("/x", respond(404, b"", "HTTP/1.1 200: x")))
    assert_failed(attempt, EXIT_PERMANENT, "HTTPStatus")
    assert attempt.result.httpStatus == 404


def test_body_without_a_length_is_read_to_its_end(server: FaultServer, pod: Pod) -> None:
    assert pod.run(server.on("/x", send(response_head("200 OK") + BODY))).result.sha256 == SHA256


def test_chunked_body_is_put_together(server: FaultServer, pod: Pod) -> None:
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
def test_body_cut_short_is_not_saved(server: FaultServer, pod: Pod, behaviour: Behaviour) -> None:
    assert_failed(pod.run(server.on("/x", behaviour)), EXIT_RETRY, "IncompleteBody")
    assert pod.files() == {}


def test_next_attempt_after_a_cut_succeeds(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", cut(100), respond(200))
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
def test_status_decides_about_a_retry(
    server: FaultServer, pod: Pod, status: int, code: int
) -> None:
    attempt = pod.run(server.on("/x", respond(status, b"")))
    assert_failed(attempt, code, "HTTPStatus")
    assert attempt.result.httpStatus == status
    assert pod.files() == {}


@pytest.mark.parametrize("status", [600, 999])
def test_status_that_http_does_not_have_is_only_in_the_message(
    server: FaultServer, pod: Pod, status: int
) -> None:
    attempt = pod.run(server.on("/x", respond(status, b"")))
    assert_failed(attempt, EXIT_PERMANENT, "HTTPStatus")
    assert f"answered {status}" in (attempt.result.message or "")
    assert attempt.result.httpStatus is None


def test_body_of_an_error_is_not_read(server: FaultServer, pod: Pod) -> None:
    assert_failed(
        pod.run(server.on("/x", endless(response_head("500 Sorry")))), EXIT_RETRY, "HTTPStatus"
    )


def test_unsolicited_partial_response_is_refused(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", respond(206, BODY[:5], "Content-Range: bytes 0-4/45000"))
    assert_failed(pod.run(url), EXIT_RETRY, "BadResponse")
    assert pod.files() == {}


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is not HTTP\r\n\r\n",
        response_head("200 OK", "Content-Length: -5") + BODY,
        b"HTTP/1.1 200 OK\r\n" + b"X-Pad: " + b"x" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Pad: x\r\n" * 100_000 + b"\r\n",
        response_head("200 OK", "Transfer-Encoding: sdch, chunked") + b"0\r\n\r\n",
        response_head("2000 OK", "Content-Length: 0"),
    ],
    ids=["no HTTP", "negative length", "huge header", "many headers", "bad coding", "status"],
)
def test_invalid_response_is_refused(server: FaultServer, pod: Pod, data: bytes) -> None:
    attempt = pod.run(server.on("/x", send(data)))
    assert_failed(attempt, EXIT_RETRY, "BadResponse")
    assert pod.files() == {}


def test_broken_framing_is_retried(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", chunked(BODY, end=b"zz\r\n"))
    assert_failed(pod.run(url), EXIT_RETRY, "ConnectionLost")
    assert pod.files() == {}


def test_connection_closed_without_a_response_is_retried(server: FaultServer, pod: Pod) -> None:
    assert_failed(pod.run(server.on("/x", send(b""))), EXIT_RETRY, "ConnectionLost")


@pytest.mark.parametrize("after", [0, 1000])
def test_silent_server_times_out(server: FaultServer, pod: Pod, after: int) -> None:
    pod.stall_seconds = 1
    assert_failed(pod.run(server.on("/x", stall(after))), EXIT_RETRY, "Stalled")
    assert pod.files() == {}


def test_slow_server_does_not_time_out(server: FaultServer, pod: Pod) -> None:
    pod.stall_seconds = 2
    attempt = pod.run(server.on("/x", drip(0.6, 6)))
    assert (attempt.code, attempt.result.bytes) == (EXIT_DONE, 6)


def test_progress_is_logged_every_few_seconds(server: FaultServer, pod: Pod) -> None:
    attempt = pod.run(server.on("/x", drip(1.1, 6)))
    assert [line for line in attempt.out.splitlines() if "MB/s" in line]


def test_redirects_are_followed_and_the_last_names_the_file(server: FaultServer, pod: Pod) -> None:
    server.on("/final.csv", respond(200))
    server.on("/2", redirect("final.csv#x", 307))
    attempt = pod.run(server.on("/1", redirect(f"{server.origin}/2", 301)))
    assert (attempt.code, list(pod.files())) == (EXIT_DONE, [f"{TICK}-final.csv"])


@pytest.mark.parametrize("location", ["/ü mit Leerzeichen", "/%C3%BC%20mit%20Leerzeichen"])
def test_redirect_is_followed_percent_encoded_or_not(
    server: FaultServer, pod: Pod, location: str
) -> None:
    server.on("/%C3%BC%20mit%20Leerzeichen", respond(200))
    start = response_head("302 Found").replace(b"Connection", f"Location: {location}\r\nX".encode())
    assert pod.run(server.on("/x", send(start))).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-ü mit Leerzeichen": BODY}


def test_redirect_in_latin_1_keeps_its_bytes(server: FaultServer, pod: Pod) -> None:
    server.on("/na%EFve", respond(200))
    assert pod.run(server.on("/x", redirect("/na\xefve"))).code == EXIT_DONE


def test_body_of_a_redirect_is_not_read(server: FaultServer, pod: Pod) -> None:
    server.on("/y", respond(200))
    attempt = pod.run(server.on("/x", endless(response_head("302 Found", "Location: /y"))))
    assert attempt.code == EXIT_DONE


def test_sixth_redirect_is_refused(server: FaultServer, pod: Pod) -> None:
    for number in range(6):
        server.on(f"/{number}", redirect(f"/{number + 1}"))
    server.on("/6", respond(200))
    assert_failed(pod.run(f"{server.origin}/0"), EXIT_PERMANENT, "TooManyRedirects")
    assert len(server.requests) == 6
    assert pod.run(f"{server.origin}/1").code == EXIT_DONE


def test_redirect_loop_ends(server: FaultServer, pod: Pod) -> None:
    assert_failed(pod.run(server.on("/x", redirect("/x"))), EXIT_PERMANENT, "TooManyRedirects")


@pytest.mark.parametrize("location", ["ftp://example.com/", "file:///etc/passwd", "http://u@h/"])
def test_redirect_off_the_web_is_refused(server: FaultServer, pod: Pod, location: str) -> None:
    assert_failed(pod.run(server.on("/x", redirect(location))), EXIT_PERMANENT, "BadRedirect")


def test_redirect_status_without_a_location_is_an_error(server: FaultServer, pod: Pod) -> None:
    assert_failed(pod.run(server.on("/x", respond(302))), EXIT_PERMANENT, "HTTPStatus")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="../../../etc/cron.d/x"', "x"),
        ("attachment; filename*=UTF-8''..%2F..%2Fna%C3%AFve.txt", "naïve.txt"),
        ('attachment; filename=".."', "r.csv"),
        ('attachment; filename="' + "x" * 5000 + '"', "x" * 200),
    ],
)
def test_server_names_the_file_but_not_its_folder(
    server: FaultServer, pod: Pod, disposition: str, name: str
) -> None:
    url = server.on("/r.csv", respond(200, BODY, f"Content-Disposition: {disposition}"))
    assert pod.run(url).code == EXIT_DONE
    assert list(pod.files()) == [f"{TICK}-{name}"]


def test_path_of_a_run_without_a_tick_has_its_start(server: FaultServer, pod: Pod) -> None:
    arrivals: list[str] = []

    def respond_late(exchange: Exchange) -> None:
        arrivals.append(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        exchange.closing.wait(1.1)
        respond(200)(exchange)

    path = "{namespace}/{name}/{scheduled}"
    assert pod.run(server.on("/x", respond_late), path=path, DOWNLOAD_JOB="by-hand").code == 0
    (scheduled,) = pod.names()
    assert scheduled <= arrivals[0]


def test_link_on_the_volume_does_not_lead_out(
    server: FaultServer, pod: Pod, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (pod.data / "team").symlink_to(tmp_path / "outside")
    assert_failed(pod.run(server.on("/x", respond(200))), EXIT_PERMANENT, "UnsafePath")
    assert list((tmp_path / "outside").iterdir()) == []


def test_missing_volume_is_reported(server: FaultServer, pod: Pod) -> None:
    pod.data.rmdir()
    assert_failed(pod.run(server.on("/x", respond(200))), EXIT_RETRY, "WriteFailed")


def test_sigterm_leaves_nothing_that_cannot_be_resumed(server: FaultServer, pod: Pod) -> None:
    reached = threading.Event()
    process = pod.start(server.on("/x", stall(30_000, reached)))
    assert reached.wait(30)
    wait_for_partial_file(pod)
    process.send_signal(signal.SIGTERM)
    assert_failed(pod.finish(process), EXIT_STOPPED, "Stopped")
    assert pod.files() == {}
    assert pod.partial_files() == []


def test_leftovers_of_a_killed_attempt_are_removed_by_the_next(
    server: FaultServer, pod: Pod
) -> None:
    reached = threading.Event()
    url = server.on("/x", stall(30_000, reached), respond(200))
    process = pod.start(url)
    assert reached.wait(30)
    wait_for_partial_file(pod)
    process.kill()
    assert pod.finish(process).code == -signal.SIGKILL
    (partial,) = pod.partial_files()
    assert partial.name.startswith(".team.nightly.")
    assert pod.run(url).code == EXIT_DONE
    assert pod.files() == {f"{TICK}-x": BODY}
    assert pod.partial_files() == []


def test_private_address_is_refused(server: FaultServer, pod: Pod) -> None:
    attempt = pod.run(server.on("/x", respond(200)), allow="")
    assert_failed(attempt, EXIT_PERMANENT, "AddressRefused")
    assert "127.0.0.1 is not a public address" in (attempt.result.message or "")
    assert server.requests == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_private_address_is_refused_in_every_spelling(
    server: FaultServer, pod: Pod, host: str
) -> None:
    url = server.on("/x", respond(200)).replace("127.0.0.1", host)
    attempt = pod.run(url, allow="10.0.0.0/8")
    assert_failed(attempt, EXIT_PERMANENT, "AddressRefused")
    assert f"{host.strip('[]')} is not a public address" in (attempt.result.message or "")
    assert server.requests == []


def test_redirect_to_a_private_address_is_refused(server: FaultServer, pod: Pod) -> None:
    target = server.on("/y", respond(200)).replace("127.0.0.1", "127.0.0.2")
    assert_failed(pod.run(server.on("/x", redirect(target))), EXIT_PERMANENT, "AddressRefused")
    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_ignored(server: FaultServer, pod: Pod) -> None:
    proxy = "http://127.0.0.1:1"
    attempt = pod.run(server.on("/x", respond(200)), http_proxy=proxy, ALL_PROXY=proxy)
    assert attempt.code == EXIT_DONE


def test_unknown_host_is_retried(pod: Pod) -> None:
    assert_failed(pod.run("http://nobody.invalid/"), EXIT_RETRY, "HostNotFound")
    proxy = "http://nobody.invalid:3128"
    assert_failed(
        pod.run("http://a.invalid/", DOWNLOAD_WORKER_PROXY=proxy), EXIT_RETRY, "HostNotFound"
    )


def test_status_of_a_proxy_is_not_the_status_of_the_server(server: FaultServer, pod: Pod) -> None:
    """A proxy opens a tunnel through which nothing comes, or does not open one."""
    server.on("nobody.invalid:443", send(b"HTTP/1.1 200 Connected\r\n\r\n"))
    attempt = pod.run("https://nobody.invalid/", DOWNLOAD_WORKER_PROXY=server.origin)
    assert_failed(attempt, EXIT_RETRY, "TLSFailed")
    assert attempt.result.httpStatus is None
    server.on("nobody.invalid:443", respond(503))
    attempt = pod.run("https://nobody.invalid/", DOWNLOAD_WORKER_PROXY=server.origin)
    assert_failed(attempt, EXIT_RETRY, "ConnectionFailed")
    assert "503" in (attempt.result.message or "")
    assert attempt.result.httpStatus is None


def test_closed_port_is_retried(pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_failed(pod.run(f"http://127.0.0.1:{port}/"), EXIT_RETRY, "ConnectionFailed")


def test_host_with_one_address_refused_and_one_down_is_retried(pod: Pod) -> None:
    """libcurl resolves localhost to both ::1 and 127.0.0.1, of which only one is allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_failed(pod.run(f"http://localhost:{port}/"), EXIT_RETRY, "ConnectionFailed")


@contextmanager
def full_listener() -> Iterator[socket.socket]:
    """Listen with a full queue, which leaves further connections waiting (listen(2))."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(address)
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
        for connection in waiting:
            connection.close()


def origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def test_unanswered_connection_is_retried(pod: Pod) -> None:
    pod.connect_seconds = 1
    with full_listener() as listener:
        assert_failed(pod.run(f"http://{origin(listener)}/"), EXIT_RETRY, "ConnectTimeout")


def test_connecting_does_not_count_as_a_stall(pod: Pod) -> None:
    """The kernel asks for a connection again after one second and after three."""
    pod.stall_seconds = 2

    def accept(listener: socket.socket, server: FaultServer) -> None:
        with suppress(OSError):
            while True:
                serving = threading.Thread(target=server.serve, args=listener.accept()[:1])
                serving.start()

    with full_listener() as listener:
        server = FaultServer(f"http://{origin(listener)}")
        threading.Timer(2, accept, (listener, server)).start()
        assert pod.run(server.on("/x", respond(200))).code == EXIT_DONE


def test_sigterm_ends_the_wait_for_a_connection(pod: Pod) -> None:
    pod.connect_seconds = 300
    with full_listener() as listener, socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (f"http://{origin(listener)}/", f"https://{origin(silent)}/"):
            process = pod.start(url)
            assert process.stdout
            process.stdout.readline()  # by the first line, SIGTERM has its handler
            process.send_signal(signal.SIGTERM)
            assert_failed(pod.finish(process), EXIT_STOPPED, "Stopped")


def test_task_of_another_version_is_refused(pod: Pod) -> None:
    attempt = pod.run("http://127.0.0.1/", DOWNLOAD_SPEC="{}")
    assert_failed(attempt, EXIT_PERMANENT, "InvalidSpec")


def test_bug_of_the_worker_is_reported(server: FaultServer, pod: Pod) -> None:
    attempt = pod.run(server.on("/x", respond(200)).replace("/x", "/é"))
    assert attempt.outcome == (EXIT_RETRY, "InternalError")
    assert "UnicodeEncodeError" in (attempt.result.message or "")


def wait_for_partial_file(pod: Pod) -> None:
    """Wait until the attempt has created its partial file."""
    wait_for("the partial file", pod.partial_files)
