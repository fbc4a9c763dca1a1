"""``python -m download_worker fetch``: one download by hand, the code of a Pod.

A Pod does not load this module: to read a command line costs a sixth of its start.
"""

import argparse
import os
import re
import sys
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from download_schedule.attempt.result import EXIT_DONE, EXIT_RETRY, Result, encode
from download_worker.attempt import StopFlag, outcome
from download_worker.download import MAX_BYTES, Order, Progress, Surroundings, discard
from download_worker.egress.policy import Network
from download_worker.http.curl import Limits
from download_worker.http.redirects import Header, Request, encoded
from download_worker.progress import ProgressBar
from download_worker.volume.save import Place, keep, owner_name

EPILOG = """exit codes: 0 done; 10 no retry can help; 20 worth a retry; 143 stopped"""


def main() -> int:
    """Obey the command line; return the exit code."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.command == "run":
        parser.error("run takes nothing behind it: all that it needs is in its environment")
    bar = ProgressBar() if sys.stderr and sys.stderr.isatty() else None
    try:
        result, code = _kept(arguments, bar or _hide), EXIT_DONE
    except Exception as error:
        result, code = outcome(error)
    if bar:
        bar.clear()
    if not arguments.json:
        print(_sentence(result, arguments.output), file=sys.stderr)
        return code
    return code if _printed(encode(result)) else code or EXIT_RETRY


def _printed(document: str) -> bool:
    try:
        print(document, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # flushed at the end again
        print(f"The result could not be printed: {error.strerror}.", file=sys.stderr)
        return False
    return True


def _kept(arguments: argparse.Namespace, progress: Progress) -> Result:
    stopped = StopFlag()
    stopped.install()
    output: Path = arguments.output
    order = Order(
        Request(arguments.url, tuple(arguments.header)),
        Limits(tuple(arguments.allow)),
        max_bytes=arguments.max_bytes,
        sha256=arguments.sha256,
    )
    place = Place(
        root=output.parent,
        owner=owner_name(output.name),
        path=lambda _: output.name,
        source=arguments.url,
        hidden="",
        only_if_changed=arguments.only_if_changed,
        remember=arguments.only_if_changed,
    )
    result, _ = keep(order, place, Surroundings(discard, progress, stopped))
    return replace(result, location=output.absolute().as_uri())


def _hide(_received: int, _expected: int) -> None:
    """Say nothing: nobody is watching."""


def _sentence(result: Result, output: Path) -> str:
    if result.reason:
        return f"{result.reason}: {result.message}"
    if result.unchanged:
        return f"unchanged, sha256 {result.sha256}, {output}"
    text = f"{result.bytes} bytes, sha256 {result.sha256}, {output}"
    return f"{text}, length not verified" if result.lengthUnverified else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m download_worker", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="make one attempt as the operator's environment says")
    fetch = commands.add_parser("fetch", help="fetch a URL by hand", epilog=EPILOG)
    fetch.add_argument("url", type=_url)
    fetch.add_argument("-o", "--output", type=_output, required=True, help="file to write")
    fetch.add_argument("--sha256", type=_sha256, help="digest that the body must have")
    fetch.add_argument(
        "--max-bytes", type=_size, default=MAX_BYTES, metavar="N", help="largest body to accept"
    )
    fetch.add_argument(
        "--header", type=_header, action="append", default=[], metavar="'NAME: VALUE'"
    )
    fetch.add_argument(
        "--allow", type=_network, action="append", default=[], metavar="CIDR",
        help="address range to open beyond public addresses",
    )  # fmt: skip
    fetch.add_argument(
        "--only-if-changed", action="store_true",
        help="fetch only what is not the file written last (remembered in .download-operator)",
    )  # fmt: skip
    fetch.add_argument("--json", action="store_true", help="print the result document")
    return parser


def _url(text: str) -> str:
    try:
        if "@" not in urlsplit(text).netloc:
            return encoded(text)
    except ValueError:  # its words may repeat a password
        raise argparse.ArgumentTypeError(
            "this is no address: write one such as https://example.com/report.csv"
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
        path.lstat()  # later Pythons hide from the other questions why there is no answer
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file and is not replaced: write another")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"make the folder {path.parent} first, or write another")
    return path


def _size(text: str) -> int:
    if not re.fullmatch("[0-9]{1,19}", text) or not int(text):
        raise argparse.ArgumentTypeError("write a number of bytes, 1 or more, in digits")
    return int(text)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}: write an address range such as 10.0.0.0/8"
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
