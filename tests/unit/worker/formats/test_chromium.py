"""How Chromium is started, and what is made of what it says."""

import ctypes
import json
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.formats import chromium
from download_worker.formats.chromium import Browser


@pytest.mark.parametrize("sandboxed", [True, False])
def test_sandbox_is_left_out_only_where_it_cannot_run(sandboxed: bool) -> None:
    command = chromium.command_line("/bin/c", Path("/p"), 3128, sandboxed)
    assert ("--no-sandbox" in command) is not sandboxed


def test_proxy_is_the_only_way_out() -> None:
    command = chromium.command_line("/bin/c", Path("/p"), 3128, sandboxed=True)
    assert {
        "--proxy-server=http://127.0.0.1:3128",
        "--proxy-bypass-list=<-loopback>",
        "--disable-quic",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    } < set(command)


def test_missing_browser_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DownloadError, match="chromium-headless-shell") as caught:
        chromium.find_program()
    assert caught.value.permanent


def test_worker_is_hidden_before_the_browser_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What that means for a child is tested in test_isolation.py."""
    get_dumpable, set_dumpable = 3, 4
    libc = ctypes.CDLL(None)
    libc.prctl(set_dumpable, 1, 0, 0, 0)
    monkeypatch.setattr(chromium, "find_program", lambda: "/bin/true")
    with chromium.start_browser(tmp_path, 1, math.inf, lambda: False):
        assert libc.prctl(get_dumpable, 0, 0, 0, 0) == 0


@dataclass
class FakeProcess:
    """A browser that only says what a test has it say."""

    stdin: IO[bytes]
    stdout: IO[bytes]


@contextmanager
def browser_that_says(text: bytes) -> Iterator[Browser]:
    with tempfile.TemporaryFile() as commands, tempfile.TemporaryFile() as output:
        output.write(text)
        output.seek(0)
        process: Any = FakeProcess(commands, output)
        yield Browser(process, time.monotonic() + 10, lambda: False)


def test_page_that_crashes_is_too_complex() -> None:
    crash = {"method": "Inspector.targetCrashed", "params": {}}
    with (
        browser_that_says(b'{"method": "x"}\0' + json.dumps(crash).encode() + b"\0") as browser,
        pytest.raises(DownloadError, match="The page crashes") as caught,
    ):
        browser.call("Page.printToPDF")
    assert caught.value.reason is Reason.TOO_COMPLEX


@pytest.mark.parametrize(("more", "is_too_long"), [(0, False), (1, True)])
def test_message_of_the_browser_has_a_longest_length(more: int, is_too_long: bool) -> None:
    beginning, end = b'{"id": 1, "result": "', b'"}'
    size = chromium.MAX_MESSAGE_BYTES + more - len(beginning) - len(end)
    message = beginning + b"x" * size + end
    padding = b" " * (-len(message) % chromium.PIECE_BYTES)  # the end is not in the last piece
    with browser_that_says(message + padding * is_too_long + b"\0") as browser:
        if not is_too_long:
            assert len(browser.call("x")) == size
            return
        with pytest.raises(DownloadError, match="messages of more than") as caught:
            browser.call("x")
    assert caught.value.reason is Reason.TOO_COMPLEX


def test_events_that_nobody_takes_are_dropped() -> None:
    number = chromium.MAX_EVENTS + 5
    events = b'{"method": "x"}\0' * number
    with browser_that_says(events + b'{"id": 1, "result": {}}\0') as browser:
        assert browser.call("x") == {}
        taken = list(iter(lambda: browser.next_event(0), None))
    assert len(taken) == chromium.MAX_EVENTS
