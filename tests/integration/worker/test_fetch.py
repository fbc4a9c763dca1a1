"""``python -m download_worker fetch``: the same by hand."""

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
from tests.support.attempts import LOOPBACK, Ended, fetch
from tests.support.http_faults import (
    BODY,
    FaultServer,
    answer,
    drip,
    endless,
    head,
    raw,
    redirect,
    stall,
)
from tools.cluster.certificates import Authority

SHA256 = hashlib.sha256(BODY).hexdigest()
EXIT_USAGE = 2
# A namespace of its own: the file system is gone with the process, whatever happens.
NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--mount")


def verdict(ended: Ended) -> tuple[int, str | None]:
    return ended.code, ended.result.reason


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", answer(200))
    ended = fetch(url, tmp_path / "x", "--sha256", SHA256.upper(), "--header", "Accept: text/csv")
    assert verdict(ended) == (EXIT_DONE, None)
    assert (ended.result.sha256, ended.result.bytes) == (SHA256, len(BODY))
    assert ended.result.location == (tmp_path / "x").as_uri()
    assert (tmp_path / "x").read_bytes() == BODY
    assert "\r\nAccept: text/csv\r\n" in server.heads[0]
    assert ended.err == ""


def test_what_happened_is_said_in_words(server: FaultServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "download_worker", "fetch", "--allow", LOOPBACK]
    done = subprocess.run(
        [*command, server.on("/x", answer(200)), "-o", tmp_path / "x"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == f"{len(BODY)} bytes, sha256 {SHA256}, {tmp_path / 'x'}\n"
    wrong = subprocess.run(
        [*command, f"{server.origin}/y", "-o", tmp_path / "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == EXIT_PERMANENT
    assert wrong.stderr == "HTTPStatus: The server answered 404 Not Found: correct the url.\n"
    assert done.stdout == wrong.stdout == ""


def test_a_terminal_shows_a_line_that_moves(server: FaultServer, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--header", "no colon"), "write 'Name: value' in printable ASCII"),
        (("--header", "X: a\r\nY: b"), "write 'Name: value' in printable ASCII"),
        (("--header", ": a"), "write 'Name: value' in printable ASCII"),
        (("--header", "X: é"), "write 'Name: value' in printable ASCII"),
        (("--sha256", "abc"), "write 64 hexadecimal digits"),
        (("--allow", "all"), "write an address range such as 10.0.0.0/8"),
        (("--allow", "10.1.2.3/8"), "write an address range such as 10.0.0.0/8"),
        (("--max-bytes", "10MB"), "write a number of bytes, 1 or more, in digits"),
        (("--max-bytes", "0"), "write a number of bytes, 1 or more, in digits"),
        (("--max-bytes=-1",), "write a number of bytes, 1 or more, in digits"),
        (("-o", "-"), "the body is not written to standard output: write a file's path"),
        (("-o", "."), "'.' is a folder: write a file's path"),
        (("-o", "/tmp/x/"), "is a folder: write a file's path"),
        (("-o", "/dev/null"), "/dev/null is no file and is not replaced"),
        (("-o", "missing/x"), "make the folder missing first"),
        (("-o", "x" * 256), "File name too long"),
    ],
)
def test_a_bad_argument_is_refused_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = fetch("http://127.0.0.1:1/", tmp_path / "x", *arguments)
    assert ended.code == EXIT_USAGE
    assert sentence in ended.err


def test_credentials_in_the_url_are_refused_and_not_repeated(tmp_path: Path) -> None:
    ended = fetch("http://user:secret@127.0.0.1:1/", tmp_path / "x")
    assert ended.code == EXIT_USAGE
    assert "send them in --header" in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    "url", ["http://u:secret@[::1", "http://u:secret@a\u2100b/", f"http://{'ü' * 70}/?secret"]
)
def test_an_address_that_is_none_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    ended = fetch(url, tmp_path / "x")
    assert ended.code == EXIT_USAGE
    assert "write one such as https://example.com/report.csv" in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "x:y", ""),
        *("127.0.0.1:1/x", "http:127.0.0.1:1/x", "http:/127.0.0.1:1/x", "http:///127.0.0.1:1/x"),
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    ended = fetch(url, tmp_path / "x")
    assert verdict(ended) == (EXIT_PERMANENT, "InvalidURL")
    assert "write an address that begins with http:// or https://" in (ended.result.message or "")
    assert names(tmp_path) == []


def test_a_name_of_any_length_and_script_is_kept(server: FaultServer, tmp_path: Path) -> None:
    name = "文" * 85
    url = server.on("/x", answer(200))
    assert fetch(url, tmp_path / name, "--only-if-changed").code == EXIT_DONE
    assert (tmp_path / name).read_bytes() == BODY


def test_a_name_that_is_no_text_is_kept(server: FaultServer, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe")
    assert fetch(server.on("/x", answer(200)), tmp_path / name).code == EXIT_DONE
    assert (tmp_path / name).read_bytes() == BODY


def test_a_wrong_digest_is_no_file(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"earlier")
    ended = fetch(server.on("/x", answer(200)), tmp_path / "x", "--sha256", "0" * 64)
    assert verdict(ended) == (EXIT_PERMANENT, "ChecksumMismatch")
    assert SHA256 in (ended.result.message or "")
    assert (tmp_path / "x").read_bytes() == b"earlier"
    assert names(tmp_path) == ["x"]


def test_a_body_that_turns_out_too_large_is_no_file(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", endless(head("200 OK")))
    ended = fetch(url, tmp_path / "x", "--max-bytes", "1000000")
    assert verdict(ended) == (EXIT_PERMANENT, "TooLarge")
    assert names(tmp_path) == []


def test_a_body_announced_too_large_is_not_waited_for(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", stall(1, length=1_000_001))
    ended = fetch(url, tmp_path / "x", "--max-bytes", "1000000")
    assert verdict(ended) == (EXIT_PERMANENT, "TooLarge")
    assert names(tmp_path) == []


def test_a_body_of_just_the_bound_is_taken(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", answer(200))
    assert fetch(url, tmp_path / "x", "--max-bytes", str(len(BODY))).code == EXIT_DONE
    assert fetch(url, tmp_path / "y", "--max-bytes", str(len(BODY) - 1)).code == EXIT_PERMANENT


def test_another_origin_sees_no_secret(server: FaultServer, tmp_path: Path) -> None:
    secrets = ("Authorization: Bearer hush", "Cookie: c=hush", "X-Api-Key: hush", "X-Own: hush")
    headers = [word for secret in secrets for word in ("--header", secret)]
    with http_faults.running() as other:
        target = other.on("/x", answer(404))
        url = server.on("/x", redirect("/y"))
        server.on("/y", redirect(target))
        ended = fetch(url, tmp_path / "x", "--header", "Accept: text/csv", *headers)
    assert ended.result.httpStatus == 404
    assert all(secret in head for head in server.heads for secret in secrets)
    (seen,) = other.heads
    assert "hush" not in seen + ended.out + ended.err
    assert "Accept: text/csv" in seen


def test_a_full_disk_is_told_and_leaves_nothing(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", raw(head("200 OK", "Content-Length: 4000000") + b"x" * 4_000_000))
    full = tmp_path / "full"
    full.mkdir()
    script = 'mount -t tmpfs -o size=1m tmpfs "$0"; "$@"; code=$?; ls -A "$0" >&2; exit $code'
    ended = fetch(url, full / "x", wrapper=(*NAMESPACE, "sh", "-c", script, str(full)))
    assert verdict(ended) == (EXIT_RETRY, "NoSpace")
    assert ended.err == ""


def test_a_file_size_limit_is_told_and_leaves_nothing(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", raw(head("200 OK", "Content-Length: 4000000") + b"x" * 4_000_000))
    limited = ("sh", "-c", 'ulimit -f 4096; exec "$0" "$@"')  # of 512 bytes, as POSIX has it
    ended = fetch(url, tmp_path / "x", wrapper=limited)
    assert verdict(ended) == (EXIT_RETRY, "NoSpace")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ('"$@" | true; exit ${PIPESTATUS[0]}', EXIT_RETRY, "could not be printed: Broken pipe.\n"),
        ('"$@" >/dev/full', EXIT_RETRY, "could not be printed: No space left on device.\n"),
        ('"$@" >&-', EXIT_DONE, ""),
        ('"$@" 2>&-', EXIT_DONE, ""),
    ],
)
def test_a_result_that_nobody_can_read_is_said_to_be_so(
    server: FaultServer, tmp_path: Path, shell: str, code: int, said: str
) -> None:
    url = server.on("/x", answer(200))
    ended = fetch(url, tmp_path / "x", wrapper=("bash", "-c", shell, "bash"))
    assert (ended.code, ended.err.removeprefix("The result ")) == (code, said)
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_fetch_leaves_nothing(
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
    _, said = process.communicate(timeout=30)
    assert process.returncode == EXIT_STOPPED
    assert said.startswith("Stopped: ")
    assert names(tmp_path) == []


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    folder.mkdir()
    made = Authority(folder)
    made.issue("server", "server", hosts=("127.0.0.1",))
    made.issue("other", "other", hosts=("other.example",))
    return folder


@pytest.fixture
def secure(authority: Path) -> Iterator[FaultServer]:
    with http_faults.running(tls=http_faults.secured(authority, "server")) as running:
        yield running


def test_tls_by_a_known_authority(secure: FaultServer, authority: Path, tmp_path: Path) -> None:
    trusted = str(authority / "ca.crt")
    ended = fetch(secure.on("/x", answer(200)), tmp_path / "x", SSL_CERT_FILE=trusted)
    assert verdict(ended) == (EXIT_DONE, None)


def test_tls_by_an_unknown_authority_is_refused(secure: FaultServer, tmp_path: Path) -> None:
    ended = fetch(secure.on("/x", answer(200)), tmp_path / "x")
    assert verdict(ended) == (EXIT_RETRY, "TLSFailed")
    assert secure.heads == []


def test_tls_of_another_host_is_refused(authority: Path, tmp_path: Path) -> None:
    with http_faults.running(tls=http_faults.secured(authority, "other")) as wrong:
        url = wrong.on("/x", answer(200))
        ended = fetch(url, tmp_path / "x", SSL_CERT_FILE=str(authority / "ca.crt"))
    assert verdict(ended) == (EXIT_RETRY, "TLSFailed")
    assert wrong.heads == []


def test_plain_text_in_place_of_tls_is_refused(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", answer(200)).replace("http:", "https:")
    assert verdict(fetch(url, tmp_path / "x")) == (EXIT_RETRY, "TLSFailed")


def test_https_never_leads_to_http(
    secure: FaultServer, server: FaultServer, authority: Path, tmp_path: Path
) -> None:
    url = secure.on("/x", redirect(server.on("/x", answer(200))))
    ended = fetch(url, tmp_path / "x", SSL_CERT_FILE=str(authority / "ca.crt"))
    assert verdict(ended) == (EXIT_PERMANENT, "BadRedirect")
    assert server.heads == []
