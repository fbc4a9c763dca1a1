"""``python -m download_worker fetch``: one download on the command line, by the code of a Pod.

A Pod does not load this module: reading a command line costs a sixth of its start.
"""

import argparse
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from download_schedule.attempt.result import EXIT_DONE, EXIT_RETRY, Result, encode
from download_schedule.attempt.task import DEFAULT_MAX_BYTES
from download_worker.attempt import StopFlag, outcome
from download_worker.download_request import DownloadRequest
from download_worker.egress.policy import EgressPolicy, Range, parse_range
from download_worker.http.addresses import ascii_url
from download_worker.http.curl import ConnectionOptions, Progress
from download_worker.http.messages import Header, Request
from download_worker.patience import ask_patiently
from download_worker.progress import ProgressBar
from download_worker.volume.save import VolumeTarget, file_prefix, save_to_volume

EPILOG = "exit codes: 0 done; 10 failed, a retry cannot help; 20 failed, try again; 143 stopped"


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = _build_parser()
    arguments = parser.parse_args()
    if arguments.command == "run":
        parser.error("run takes no arguments: it reads everything from its environment")
    bar = ProgressBar() if sys.stderr and sys.stderr.isatty() else None
    try:
        result, code = _fetch(arguments, bar or _no_progress), EXIT_DONE
    except Exception as error:
        result, code = outcome(error)
    if bar:
        bar.clear()
    if not arguments.json:
        print(_describe(result, arguments.output), file=sys.stderr)
        return code
    return code if _print_result(encode(result)) else code or EXIT_RETRY


def _print_result(document: str) -> bool:
    try:
        print(document, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at exit
        print(f"The result could not be printed: {error.strerror}.", file=sys.stderr)
        return False
    return True


def _fetch(arguments: argparse.Namespace, progress: Progress) -> Result:
    stopped = StopFlag()
    stopped.install()
    output: Path = arguments.output
    request = DownloadRequest(
        Request(arguments.url, tuple(arguments.header)),
        ConnectionOptions(EgressPolicy(tuple(arguments.allow))),
        max_bytes=arguments.max_bytes,
        sha256=arguments.sha256,
    )
    target = VolumeTarget(
        root=output.parent,
        file_prefix=file_prefix(output.name),
        path=lambda _: output.name,
        location=lambda _: output.absolute().as_uri(),
        source=arguments.url,
        hidden_folder="",
        overwrite=True,
        has_manifest=arguments.only_if_changed,
        only_if_changed=arguments.only_if_changed,
    )
    return ask_patiently(
        lambda: save_to_volume(request, target, progress=progress, stopped=stopped),
        deadline=None,
        stopped=stopped,
    )


def _no_progress(_received: int, _expected: int) -> None:
    """Show nothing."""


def _describe(result: Result, output: Path) -> str:
    if result.reason:
        return f"{result.reason}: {result.message}"
    if result.unchanged:
        return f"unchanged, sha256 {result.sha256}, {output}"
    text = f"{result.bytes} bytes, sha256 {result.sha256}, {output}"
    return f"{text}, length not verified" if result.lengthUnverified else text


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m download_worker", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="make one attempt, as the operator's environment says")
    fetch = commands.add_parser("fetch", help="download one URL to a file", epilog=EPILOG)
    fetch.add_argument("url", type=_url)
    fetch.add_argument("-o", "--output", type=_output, required=True, help="file to write")
    fetch.add_argument("--sha256", type=_sha256, help="digest that the body must have")
    fetch.add_argument(
        "--max-bytes", type=_size, default=DEFAULT_MAX_BYTES, metavar="N",
        help="largest body to accept",
    )  # fmt: skip
    fetch.add_argument(
        "--header", type=_header, action="append", default=[], metavar="'NAME: VALUE'",
        help="header to send; may be repeated",
    )  # fmt: skip
    fetch.add_argument(
        "--allow", type=_range, action="append", default=[], metavar="CIDR[:PORT]",
        help="address range to open beyond public addresses, or another port; may be repeated",
    )  # fmt: skip
    fetch.add_argument(
        "--only-if-changed", action="store_true",
        help="do not fetch the file that was written last (recorded in .download-operator)",
    )  # fmt: skip
    fetch.add_argument("--json", action="store_true", help="print the result document")
    return parser


def _url(text: str) -> str:
    try:
        if "@" not in urlsplit(text).netloc:
            return ascii_url(text.strip())
    except ValueError:  # its message may repeat a password
        raise argparse.ArgumentTypeError(
            "invalid address: write one such as https://example.com/report.csv"
        ) from None
    raise argparse.ArgumentTypeError("leave out user name and password; send them in --header")


def _output(text: str) -> Path:
    try:
        return _file(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{error}: write another path") from None


def _file(text: str) -> Path:
    if text == "-":
        raise argparse.ArgumentTypeError(
            "the body is not written to standard output: write a file's path"
        )
    path = Path(text)
    if not path.name or text.endswith("/") or path.name == ".." or "\0" in text or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder: write a file's path")
    with suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()  # raises what later Pythons hide in exists() and is_file()
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(
            f"{text} is not a regular file and is not replaced: write another path"
        )
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"the folder {path.parent} does not exist: create it first, or write another path"
        )
    return path


def _size(text: str) -> int:
    if not re.fullmatch("[0-9]{1,19}", text) or not int(text):
        raise argparse.ArgumentTypeError("write a number of bytes, 1 or more, in digits")
    return int(text)


def _range(text: str) -> Range:
    try:
        return parse_range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}: write an address range such as 10.0.0.0/8, or 10.0.0.0/8:81 for one port"
        ) from None


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("write 64 hexadecimal digits")
    return text.lower()


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isascii() or not text.isprintable():
        raise argparse.ArgumentTypeError("write 'Name: value' in printable ASCII on one line")
    return name.strip(), value.strip()
