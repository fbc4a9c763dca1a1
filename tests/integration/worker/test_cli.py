"""``python -m download_worker fetch``, as a person starts it."""

import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, EXIT_STOPPED
from tests.support import http_faults
from tests.support.attempts import LOOPBACK, fetch
from tests.support.http_faults import (
    BODY,
    FaultServer,
    drip,
    endless,
    redirect,
    respond,
    response_head,
    send,
    stall,
)
from tools.cluster.certificates import Authority

SHA256 = hashlib.sha256(BODY).hexdigest()
# In a namespace of its own, the file system is gone with the process, whatever happens.
NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--mount")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_is_downloaded(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", respond(200))
    attempt = fetch(url, tmp_path / "x", "--sha256", SHA256.upper(), "--header", "Accept: text/csv")
    assert attempt.outcome == (EXIT_DONE, None)
    assert (attempt.result.sha256, attempt.result.bytes) == (SHA256, len(BODY))
    assert attempt.result.location == (tmp_path / "x").as_uri()
    assert (tmp_path / "x").read_bytes() == BODY
    assert "\r\nAccept: text/csv\r\n" in server.requests[0]
    assert attempt.err == ""


def test_outcome_is_printed_in_words(server: FaultServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "download_worker", "fetch", "--allow", LOOPBACK]
    success = subprocess.run(
        [*command, server.on("/x", respond(200)), "-o", tmp_path / "x"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert success.stderr == f"{len(BODY)} bytes, sha256 {SHA256}, {tmp_path / 'x'}\n"
    failure = subprocess.run(
        [*command, f"{server.origin}/y", "-o", tmp_path / "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failure.returncode == EXIT_PERMANENT
    assert failure.stderr == "HTTPStatus: The server answered 404 Not Found: correct the url.\n"
    assert success.stdout == failure.stdout == ""


def test_terminal_shows_a_progress_bar(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", drip(0.4, 4))
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "download_worker", "fetch", "--allow", LOOPBACK, url]
    process = subprocess.Popen([*command, "-o", tmp_path / "x"], stderr=follower)
    os.close(follower)
    assert process.wait(30) == EXIT_DONE
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert re.search(r" 50% \[#{12} {12}\] 0.0 MB, 0.0 MB/s", shown)
    assert shown.rpartition("\x1b[K")[2].startswith("4 bytes, sha256")


def test_filename_of_any_length_and_script_is_written(server: FaultServer, tmp_path: Path) -> None:
    name = "文" * 85
    url = server.on("/x", respond(200))
    assert fetch(url, tmp_path / name, "--only-if-changed").code == EXIT_DONE
    assert (tmp_path / name).read_bytes() == BODY


def test_filename_that_is_not_unicode_is_written(server: FaultServer, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe")
    assert fetch(server.on("/x", respond(200)), tmp_path / name).code == EXIT_DONE
    assert (tmp_path / name).read_bytes() == BODY


def test_wrong_digest_leaves_no_file(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"earlier")
    attempt = fetch(server.on("/x", respond(200)), tmp_path / "x", "--sha256", "0" * 64)
    assert attempt.outcome == (EXIT_PERMANENT, "ChecksumMismatch")
    assert SHA256 in (attempt.result.message or "")
    assert (tmp_path / "x").read_bytes() == b"earlier"
    assert names(tmp_path) == ["x"]


def test_body_that_turns_out_too_large_leaves_no_file(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", endless(response_head("200 OK")))
    attempt = fetch(url, tmp_path / "x", "--max-bytes", "1000000")
    assert attempt.outcome == (EXIT_PERMANENT, "TooLarge")
    assert names(tmp_path) == []


def test_body_announced_too_large_is_not_read(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", stall(1, length=1_000_001))
    attempt = fetch(url, tmp_path / "x", "--max-bytes", "1000000")
    assert attempt.outcome == (EXIT_PERMANENT, "TooLarge")
    assert names(tmp_path) == []


def test_body_of_exactly_the_limit_is_accepted(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", respond(200))
    assert fetch(url, tmp_path / "x", "--max-bytes", str(len(BODY))).code == EXIT_DONE
    assert fetch(url, tmp_path / "y", "--max-bytes", str(len(BODY) - 1)).code == EXIT_PERMANENT


def test_credentials_do_not_reach_another_origin(server: FaultServer, tmp_path: Path) -> None:
    secrets = ("Authorization: Bearer hush", "Cookie: c=hush", "X-Api-Key: hush", "X-Own: hush")
    headers = [word for secret in secrets for word in ("--header", secret)]
    with http_faults.run_server() as other:
        target = other.on("/x", respond(404))
        url = server.on("/x", redirect("/y"))
        server.on("/y", redirect(target))
        attempt = fetch(url, tmp_path / "x", "--header", "Accept: text/csv", *headers)
    assert attempt.result.httpStatus == 404
    assert all(secret in request for request in server.requests for secret in secrets)
    (request,) = other.requests
    assert "hush" not in request + attempt.out + attempt.err
    assert "Accept: text/csv" in request


def test_full_disk_is_reported_and_leaves_nothing(server: FaultServer, tmp_path: Path) -> None:
    url = server.on(
        "/x", send(response_head("200 OK", "Content-Length: 4000000") + b"x" * 4_000_000)
    )
    full = tmp_path / "full"
    full.mkdir()
    script = 'mount -t tmpfs -o size=1m tmpfs "$0"; "$@"; code=$?; ls -A "$0" >&2; exit $code'
    attempt = fetch(url, full / "x", wrapper=(*NAMESPACE, "sh", "-c", script, str(full)))
    assert attempt.outcome == (EXIT_RETRY, "NoSpace")
    assert attempt.err == ""


def test_file_size_limit_is_reported_and_leaves_nothing(
    server: FaultServer, tmp_path: Path
) -> None:
    url = server.on(
        "/x", send(response_head("200 OK", "Content-Length: 4000000") + b"x" * 4_000_000)
    )
    limited = ("sh", "-c", 'ulimit -f 4096; exec "$0" "$@"')  # in blocks of 512 bytes (POSIX)
    attempt = fetch(url, tmp_path / "x", wrapper=limited)
    assert attempt.outcome == (EXIT_RETRY, "NoSpace")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("shell", "code", "message"),
    [
        ('"$@" | true; exit ${PIPESTATUS[0]}', EXIT_RETRY, "could not be printed: Broken pipe.\n"),
        ('"$@" >/dev/full', EXIT_RETRY, "could not be printed: No space left on device.\n"),
        ('"$@" >&-', EXIT_DONE, ""),
        ('"$@" 2>&-', EXIT_DONE, ""),
    ],
)
def test_result_that_cannot_be_printed_is_reported(
    server: FaultServer, tmp_path: Path, shell: str, code: int, message: str
) -> None:
    url = server.on("/x", respond(200))
    attempt = fetch(url, tmp_path / "x", wrapper=("bash", "-c", shell, "bash"))
    assert (attempt.code, attempt.err.removeprefix("The result ")) == (code, message)
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_download_leaves_nothing(
    server: FaultServer, tmp_path: Path, number: signal.Signals
) -> None:
    reached = threading.Event()
    url = server.on("/x", stall(30_000, reached))
    process = subprocess.Popen(
        [sys.executable, "-m", "download_worker", "fetch", url, "-o", tmp_path / "x",
         "--allow", LOOPBACK],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert reached.wait(30)
    process.send_signal(number)
    _, message = process.communicate(timeout=30)
    assert process.returncode == EXIT_STOPPED
    assert message.startswith("Stopped: ")
    assert names(tmp_path) == []


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    folder.mkdir()
    ca = Authority(folder)
    ca.issue("server", "server", hosts=("127.0.0.1",))
    ca.issue("other", "other", hosts=("other.example",))
    return folder


@pytest.fixture
def secure(authority: Path) -> Iterator[FaultServer]:
    with http_faults.run_server(tls=http_faults.tls_context(authority, "server")) as tls_server:
        yield tls_server


def test_certificate_of_a_known_authority_is_accepted(
    secure: FaultServer, authority: Path, tmp_path: Path
) -> None:
    trusted = str(authority / "ca.crt")
    attempt = fetch(secure.on("/x", respond(200)), tmp_path / "x", SSL_CERT_FILE=trusted)
    assert attempt.outcome == (EXIT_DONE, None)


def test_certificate_of_an_unknown_authority_is_refused(
    secure: FaultServer, tmp_path: Path
) -> None:
    attempt = fetch(secure.on("/x", respond(200)), tmp_path / "x")
    assert attempt.outcome == (EXIT_RETRY, "TLSFailed")
    assert secure.requests == []


def test_certificate_of_another_host_is_refused(authority: Path, tmp_path: Path) -> None:
    with http_faults.run_server(tls=http_faults.tls_context(authority, "other")) as misnamed:
        url = misnamed.on("/x", respond(200))
        attempt = fetch(url, tmp_path / "x", SSL_CERT_FILE=str(authority / "ca.crt"))
    assert attempt.outcome == (EXIT_RETRY, "TLSFailed")
    assert misnamed.requests == []


def test_plain_text_in_place_of_tls_is_refused(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", respond(200)).replace("http:", "https:")
    assert fetch(url, tmp_path / "x").outcome == (EXIT_RETRY, "TLSFailed")


def test_redirect_from_https_to_http_is_refused(
    secure: FaultServer, server: FaultServer, authority: Path, tmp_path: Path
) -> None:
    url = secure.on("/x", redirect(server.on("/x", respond(200))))
    attempt = fetch(url, tmp_path / "x", SSL_CERT_FILE=str(authority / "ca.crt"))
    assert attempt.outcome == (EXIT_PERMANENT, "BadRedirect")
    assert server.requests == []
