"""Which arguments the command line takes."""

import argparse
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_PERMANENT, Result
from download_worker import cli
from download_worker.egress.policy import Range

URL = "http://127.0.0.1:1/"
EXIT_USAGE = 2


def refuse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """Run the command, which must refuse its arguments; return what it prints."""
    monkeypatch.setattr(sys, "argv", ["download_worker", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == EXIT_USAGE
    return capsys.readouterr().err


def parse(tmp_path: Path, *arguments: str) -> argparse.Namespace:
    return cli._build_parser().parse_args(["fetch", URL, "-o", str(tmp_path / "x"), *arguments])


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
        (("-o", "a\0b"), "is a folder: write a file's path"),
        (("-o", "/dev/null"), "/dev/null is not a regular file and is not replaced"),
        (("-o", "missing/x"), "the folder missing does not exist: create it first"),
        (("-o", "x" * 256), "File name too long"),
    ],
)
def test_invalid_argument_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert sentence in refuse(
        monkeypatch, capsys, "fetch", URL, "-o", str(tmp_path / "y"), *arguments
    )


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("http://user:secret@127.0.0.1:1/", "send them in --header"),
        ("http://u:secret@[::1", "write one such as https://example.com/report.csv"),
        ("http://u:secret@a\u2100b/", "write one such as https://example.com/report.csv"),
        (f"http://{'ü' * 70}/?secret", "write one such as https://example.com/report.csv"),
    ],
)
def test_invalid_url_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, advice: str
) -> None:
    message = refuse(monkeypatch, capsys, "fetch", url, "-o", "x")
    assert advice in message
    assert "secret" not in message


def test_run_takes_no_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "unrecognized arguments: x" in refuse(monkeypatch, capsys, "run", "x")
    assert "reads everything from its environment" in refuse(monkeypatch, capsys, "run")


def test_arguments_are_read(tmp_path: Path) -> None:
    allow = ("--allow", "10.0.0.0/8", "--allow", "fd00::/8:81")
    arguments = parse(tmp_path, "--header", "A: b:c", "--sha256", "AB" * 32, *allow)
    assert arguments.header == [("A", "b:c")]
    assert arguments.sha256 == "ab" * 32
    assert arguments.allow == [Range(ip_network("10.0.0.0/8")), Range(ip_network("fd00::/8"), 81)]
    assert (arguments.only_if_changed, arguments.json) == (False, False)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/x", "file:///etc/passwd", "http://", "x:y", ""),
        *("127.0.0.1:1/x", "http:127.0.0.1:1/x", "http:/127.0.0.1:1/x", "http:///127.0.0.1:1/x"),
    ],
)
def test_address_off_the_web_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    url: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["download_worker", "fetch", url, "-o", str(tmp_path / "x")])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert cli.main() == EXIT_PERMANENT
    message = capsys.readouterr().err
    assert message.startswith("InvalidURL: ")
    assert "write an address that begins with http:// or https://" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Result(reason="Stalled", message="It is silent."), "Stalled: It is silent."),
        (Result(sha256="0" * 64, unchanged=True), f"unchanged, sha256 {'0' * 64}, x"),
        (Result(bytes=5, sha256="0" * 64), f"5 bytes, sha256 {'0' * 64}, x"),
        (
            Result(bytes=5, sha256="0" * 64, lengthUnverified=True),
            f"5 bytes, sha256 {'0' * 64}, x, length not verified",
        ),
    ],
)
def test_result_in_words(result: Result, text: str) -> None:
    assert cli._describe(result, Path("x")) == text
