"""Chromium as a child process, spoken to by the DevTools protocol over a pair of pipes."""

import json
import logging
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from download_worker.errors import DownloadError, Reason, StoppedError

log = logging.getLogger(__name__)

PROGRAM: Final = "chromium-headless-shell"
"""Of Debian's package of this name. Others (chromium, chromium-shell) read other switches."""
POLL_SECONDS: Final = 0.2
PIECE_BYTES: Final = 1024 * 1024
MAX_WORDS: Final = 2000

_PIPES: Final = 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'
"""Chromium reads its orders from descriptor 3 and answers on 4."""
_FLAGS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-extensions",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-domain-reliability",
    "--disable-notifications",
    "--mute-audio",
    "--hide-scrollbars",
    "--lang=en-US",
    # The gate is the only way out: no look-ups, no UDP, no exception for loopback.
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--blink-settings=lazyLoadEnabled=false",
)

Event = Mapping[str, Any]


def program() -> str:
    """Return the path of Chromium.

    Raises:
        DownloadError: there is none.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"There is no {PROGRAM} (Debian's package of this name), which format pdf needs: "
            "use the image worker-pdf.",
        )
    return found


def arguments(executable: str, profile: Path, proxy_port: int, sandboxed: bool) -> list[str]:
    """Return the command that starts Chromium."""
    own = (f"--proxy-server=http://127.0.0.1:{proxy_port}", f"--user-data-dir={profile}")
    return [executable, *_FLAGS, *own, *(() if sandboxed else ("--no-sandbox",)), "about:blank"]


def can_sandbox() -> bool:
    """Tell whether Chromium can have its sandbox here: as no root, where user namespaces are let.

    Container runtimes that keep them from a restricted Pod make it do without.
    """
    unshare = shutil.which("unshare")
    if os.geteuid() == 0 or unshare is None:
        return False
    tried = subprocess.run(
        [unshare, "--user", "--pid", "--net", "--fork", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


@contextmanager
def browser(
    folder: Path, proxy_port: int, deadline: float, stopped: Callable[[], bool]
) -> Iterator["Browser"]:
    """Run Chromium until the block ends; nothing of it outlives that.

    Args:
        folder: empty, for its profile and its temporary files.
        proxy_port: of the gate.
        deadline: on the monotonic clock; waiting ends with it.
        stopped: asked again and again whether to give up.
    """
    # Nothing of our own environment: the browser is a stranger's, the Secrets' values are not.
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    command = arguments(program(), folder / "profile", proxy_port, can_sandbox())
    with (
        (folder / "errors").open("wb") as errors,
        subprocess.Popen(
            ["/bin/sh", "-c", _PIPES, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **places},
            cwd=folder,
            bufsize=0,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Browser(process, deadline, stopped)
        except DownloadError as error:
            if error.reason is Reason.RENDER_FAILED:
                log.warning("the browser's last words: %s", _last_words(folder / "errors"))
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _last_words(path: Path) -> str:
    return path.read_bytes()[-MAX_WORDS:].decode(errors="replace")


class Browser:
    """Sends orders, and hands out answers and events in the order in which they come."""

    def __init__(
        self, process: subprocess.Popen[bytes], deadline: float, stopped: Callable[[], bool]
    ) -> None:
        pipes = cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))
        self._orders, self._answers = (pipe.fileno() for pipe in pipes)
        self._deadline = deadline
        self._stopped = stopped
        self._received = b""
        self._messages: list[Event] = []
        self._events: list[Event] = []
        self._last = 0

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Give an order and return its answer; events that come before wait for their turn.

        Raises:
            DownloadError: the browser cannot do it, or is gone, or the time is up.
        """
        number = self.send(method, session, **parameters)
        while True:
            message = self._receive(self._deadline)
            if message is None:
                raise timed_out()
            if message.get("id") != number:
                self._events.append(message)
            elif "error" in message:
                raise broken(f"{method}: {message['error'].get('message')}")
            else:
                return message["result"]

    def send(self, method: str, session: str | None = None, **parameters: Any) -> int:
        """Give an order without waiting for its answer; return its number."""
        self._last += 1
        order = {"id": self._last, "method": method, "params": parameters}
        text = json.dumps(order | ({"sessionId": session} if session else {}))
        data = memoryview(text.encode() + b"\0")
        try:
            while data:
                data = data[os.write(self._orders, data) :]
        except OSError:
            raise broken("it ended") from None
        return self._last

    def event(self, until: float) -> Event | None:
        """Return the next event or late answer; None: the moment *until* came first."""
        if self._events:
            return self._events.pop(0)
        return self._receive(min(until, self._deadline))

    def _receive(self, until: float) -> Event | None:
        while not self._messages:
            if self._stopped():
                raise StoppedError
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._read(min(left, POLL_SECONDS))
        return self._messages.pop(0)

    def _read(self, seconds: float) -> None:
        if not select.select([self._answers], [], [], seconds)[0]:
            return
        piece = os.read(self._answers, PIECE_BYTES)
        if not piece:
            raise broken("it ended")
        *whole, self._received = (self._received + piece).split(b"\0")
        self._messages += [json.loads(message) for message in whole]


def broken(why: str) -> DownloadError:
    """Say that the browser failed."""
    return DownloadError(
        Reason.RENDER_FAILED,
        f"The browser failed ({why}): give the container more memory if it was killed for it.",
    )


def timed_out() -> DownloadError:
    """Say that the page took too long."""
    return DownloadError(
        Reason.RENDER_TIMEOUT,
        "The page was not rendered in time: another attempt may fare better.",
    )
