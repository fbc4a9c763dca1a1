"""``python -m download_worker``: ``run`` in a Pod, ``fetch`` by hand."""

import argparse
import logging
import os
import re
import secrets
import sys
import time
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from download_schedule.result import EXIT_DONE, Result, encode
from download_worker.download import MAX_BYTES, Order, download, failed
from download_worker.errors import DownloadError
from download_worker.redirects import Header, Request, encoded
from download_worker.run import StopFlag, describe_progress, exit_code, run
from download_worker.store import File
from download_worker.transfer import Limits

EPILOG = """exit codes: 0 done; 10 no retry can help; 20 worth a retry; 143 stopped"""


def main() -> int:
    """Obey the command line; return the exit code."""
    arguments = _parser().parse_args()
    if arguments.command == "run":
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        return run(os.environ)
    return _fetch(arguments)


def _fetch(arguments: argparse.Namespace) -> int:
    stopped = StopFlag()
    stopped.install()
    output: Path = arguments.output
    order = Order(
        Request(arguments.url, tuple(arguments.header)),
        Limits(tuple(arguments.allow)),
        arguments.max_bytes,
        arguments.sha256,
    )
    shown = TerminalLine() if sys.stderr.isatty() else _hide
    try:
        result = download(
            order, lambda _: File(output.parent, output.name, secrets.token_hex(8)), shown, stopped
        )
        code = EXIT_DONE
    except DownloadError as error:
        result, code = failed(error), exit_code(error)
    _tell(result, arguments)
    return code


def _tell(result: Result, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(encode(result))
    elif result.reason:
        print(f"{result.reason}: {result.message}", file=sys.stderr)
    else:
        print(f"{result.bytes} bytes, sha256 {result.sha256}, {arguments.output}", file=sys.stderr)


class TerminalLine:
    """One line that is written over; the cursor stays at its start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, received: int, expected: int) -> None:
        """Say how far the transfer is."""
        seconds = time.monotonic() - self._started
        share = f"{100 * received // expected}% " if expected else ""
        text = share + describe_progress(received, expected, seconds)
        print(f"{text}\x1b[K", end="\r", file=sys.stderr)


def _hide(_received: int, _expected: int) -> None:
    """Say nothing: nobody is watching."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m download_worker", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="make one attempt as the operator's environment says")
    fetch = commands.add_parser("fetch", help="fetch a URL by hand", epilog=EPILOG)
    fetch.add_argument("url", type=_url)
    fetch.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    fetch.add_argument("--sha256", type=_sha256, help="digest that the body must have")
    fetch.add_argument(
        "--max-bytes", type=int, default=MAX_BYTES, metavar="N", help="largest body to accept"
    )
    fetch.add_argument(
        "--header", type=_header, action="append", default=[], metavar="'NAME: VALUE'"
    )
    fetch.add_argument(
        "--allow", type=ip_network, action="append", default=[], metavar="CIDR",
        help="address range to open beyond public addresses",
    )  # fmt: skip
    fetch.add_argument("--json", action="store_true", help="print the result document")
    return parser


def _url(text: str) -> str:
    if "@" in urlsplit(text).netloc:
        raise argparse.ArgumentTypeError("leave out user name and password; send them in --header")
    return encoded(text)


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("write 64 hexadecimal digits")
    return text.lower()


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isascii() or not text.isprintable():
        raise argparse.ArgumentTypeError("write 'Name: value' in printable ASCII on one line")
    return name.strip(), value.strip()


if __name__ == "__main__":
    sys.exit(main())
