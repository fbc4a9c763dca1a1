"""Chromium as a child process, controlled by the DevTools protocol over a pair of pipes."""

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
from download_worker.formats.browser_limits import (
    USUAL_LIMITS,
    BrowserLimits,
    page_too_complex,
    watch_browser,
)
from download_worker.formats.isolation import hide_process

log = logging.getLogger(__name__)

PROGRAM: Final = "chromium-headless-shell"
"""Program of Debian's package of this name. Others (chromium, chromium-shell) take other flags."""
POLL_SECONDS: Final = 0.2
"""Longest wait for the browser before the stop flag is looked at again."""
PIECE_BYTES: Final = 1024 * 1024
MAX_MESSAGE_BYTES: Final = 16 * 1024**2
"""Longest message of the browser that is read. A page decides how long some of them are."""
MAX_EVENTS: Final = 10_000
"""Events that wait while the browser carries out a command. More than these are dropped."""
MAX_ERROR_BYTES: Final = 2000
"""Bytes of Chromium's error output that are logged."""

_PIPES: Final = 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'
"""Chromium reads commands from descriptor 3 and writes responses and events to 4."""
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
    # The proxy is the only way out: no look-ups, no UDP, no exception for loopback.
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--blink-settings=lazyLoadEnabled=false",
)

Message = Mapping[str, Any]
"""A response or an event of the DevTools protocol."""


def find_program() -> str:
    """Return the path of Chromium.

    Raises:
        DownloadError: it is not installed.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise DownloadError(
            Reason.INVALID_SPEC,
            f"Format pdf needs {PROGRAM} (Debian's package of this name), which is not installed: "
            "use the image worker-pdf.",
        )
    return path


def command_line(program: str, profile: Path, proxy_port: int, sandboxed: bool) -> list[str]:
    """Return the command that starts Chromium."""
    own = (f"--proxy-server=http://127.0.0.1:{proxy_port}", f"--user-data-dir={profile}")
    return [program, *_FLAGS, *own, *(() if sandboxed else ("--no-sandbox",)), "about:blank"]


def can_sandbox() -> bool:
    """Return whether Chromium's sandbox can run: not as root, and with user namespaces.

    Some container runtimes do not let a restricted Pod have user namespaces.
    """
    unshare = shutil.which("unshare")
    if os.geteuid() == 0 or unshare is None:
        return False
    trial = subprocess.run(
        [unshare, "--user", "--pid", "--net", "--fork", "true"], capture_output=True, check=False
    )
    return trial.returncode == 0


@contextmanager
def start_browser(
    folder: Path,
    proxy_port: int,
    deadline: float,
    stopped: Callable[[], bool],
    limits: BrowserLimits = USUAL_LIMITS,
) -> Iterator["Browser"]:
    """Run Chromium until the block ends. No process of it outlives that.

    Args:
        folder: empty, for its profile and its temporary files.
        proxy_port: port of the egress proxy.
        deadline: end of all waiting, on the monotonic clock.
        stopped: asked several times a second whether to give up.
        limits: what the browser may use.
    """
    # The browser runs a stranger's scripts, so it gets nothing of our environment with its secrets,
    # and cannot read it from us either.
    hide_process()
    paths = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    command = command_line(find_program(), folder / "profile", proxy_port, can_sandbox())
    with (
        (folder / "errors").open("wb") as errors,
        subprocess.Popen(
            ["/bin/sh", "-c", _PIPES, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **paths},
            cwd=folder,
            bufsize=0,
            start_new_session=True,
        ) as process,
        watch_browser(process.pid, limits) as watch,
    ):
        try:
            yield Browser(process, deadline, stopped)
        except DownloadError as error:
            if error.reason is Reason.RENDER_FAILED:
                log.warning("the browser's last output: %s", _error_output(folder / "errors"))
            raise watch.explain(error) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _error_output(path: Path) -> str:
    return path.read_bytes()[-MAX_ERROR_BYTES:].decode(errors="replace")


class Browser:
    """Sends commands, and returns responses and events in the order in which they come."""

    def __init__(
        self, process: subprocess.Popen[bytes], deadline: float, stopped: Callable[[], bool]
    ) -> None:
        pipes = cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))
        self._commands, self._output = (pipe.fileno() for pipe in pipes)
        self._deadline = deadline
        self._stopped = stopped
        self._received = bytearray()
        """Start of a message whose end has not come yet."""
        self._messages: list[Message] = []
        self._events: list[Message] = []
        """Events that came while :meth:`call` waited for a response."""
        self._last_id = 0

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command and return its result. Events that come before it wait for their turn.

        Raises:
            DownloadError: the command fails, the browser ended, or the deadline passed.
        """
        identifier = self.send(method, session, **parameters)
        while True:
            message = self._receive(self._deadline)
            if message is None:
                raise render_timeout()
            if message.get("id") != identifier:
                if len(self._events) < MAX_EVENTS:
                    self._events.append(message)
            elif "error" in message:
                raise browser_failed(f"{method}: {message['error'].get('message')}")
            else:
                return message["result"]

    def send(self, method: str, session: str | None = None, **parameters: Any) -> int:
        """Send a command without waiting for its response; return its identifier."""
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        text = json.dumps(command | ({"sessionId": session} if session else {}))
        data = memoryview(text.encode() + b"\0")
        try:
            while data:
                data = data[os.write(self._commands, data) :]
        except OSError:
            raise browser_failed("it ended") from None
        return self._last_id

    def next_event(self, until: float) -> Message | None:
        """Return the next event or late response; None if the moment *until* comes first."""
        if self._events:
            return self._events.pop(0)
        return self._receive(min(until, self._deadline))

    def _receive(self, until: float) -> Message | None:
        while not self._messages:
            if self._stopped():
                raise StoppedError
            remaining = until - time.monotonic()
            if remaining <= 0:
                return None
            self._read(min(remaining, POLL_SECONDS))
        message = self._messages.pop(0)
        if message.get("method") == "Inspector.targetCrashed":
            raise page_too_complex("crashes, as it does when it takes too much memory,")
        return message

    def _read(self, seconds: float) -> None:
        if not select.select([self._output], [], [], seconds)[0]:
            return
        piece = os.read(self._output, PIECE_BYTES)
        if not piece:
            raise browser_failed("it ended")
        *ends, rest = piece.split(b"\0")
        for end in ends:
            self._received += end
            self._messages.append(json.loads(self._received))
            self._received.clear()
        self._received += rest
        if len(self._received) > MAX_MESSAGE_BYTES:
            raise page_too_complex(f"causes messages of more than {MAX_MESSAGE_BYTES} bytes")


def browser_failed(cause: str) -> DownloadError:
    """Return the error for a browser that failed."""
    return DownloadError(
        Reason.RENDER_FAILED,
        f"The browser failed ({cause}): if it ran out of memory, give the container more.",
    )


def render_timeout() -> DownloadError:
    """Return the error for a page that took too long."""
    return DownloadError(
        Reason.RENDER_TIMEOUT,
        "The page was not rendered in time: another attempt may succeed.",
    )
