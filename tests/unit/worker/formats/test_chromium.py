"""How Chromium is started."""

import ctypes
import math
from pathlib import Path

import pytest

from download_worker.errors import DownloadError
from download_worker.formats import chromium


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
