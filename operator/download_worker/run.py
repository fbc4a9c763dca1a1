"""One attempt in a Pod: environment in, file and termination message out."""

import dataclasses
import logging
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from download_schedule.result import (
    EXIT_DONE,
    EXIT_PERMANENT,
    EXIT_RETRY,
    EXIT_STOPPED,
    Result,
    encode,
)
from download_worker import spec as specs
from download_worker.download import Order, download, failed
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.filenames import filename
from download_worker.store import File, Nowhere, Sink
from download_worker.transfer import Limits, Response

log = logging.getLogger(__name__)

DATA: Final = Path("/data")
REPORT: Final = Path("/dev/termination-log")
PROGRESS_SECONDS: Final = 5.0


class StopFlag:
    """Set by SIGTERM, which Kubernetes sends before it kills."""

    def __init__(self) -> None:
        self._set = False

    def install(self) -> None:
        """Take SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_set", True))

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self._set


def run(
    environment: Mapping[str, str],
    data: Path = DATA,
    report: Path = REPORT,
    limits: Limits | None = None,
) -> int:
    """Make one attempt and return its exit code.

    Args:
        environment: as the operator sets it.
        data: where the claim is mounted.
        report: file from which the kubelet takes the termination message.
        limits: of the transfer, but for the address ranges, which the operator sets.
    """
    stopped = StopFlag()
    stopped.install()
    try:
        result = _attempt(specs.read(environment), data, limits or Limits(), stopped)
        code = EXIT_DONE
    except DownloadError as error:
        result, code = failed(error), exit_code(error)
        log.error("%s: %s", error.reason, error)
    except Exception as error:
        log.exception("the worker failed")
        result, code = Result(reason=Reason.INTERNAL_ERROR, message=repr(error)), EXIT_RETRY
    report.write_text(encode(result), encoding="utf-8")
    return code


def exit_code(error: DownloadError) -> int:
    """Return the exit code by which Kubernetes decides about another attempt."""
    if isinstance(error, StoppedError):
        return EXIT_STOPPED
    return EXIT_PERMANENT if error.permanent else EXIT_RETRY


def _attempt(spec: specs.Spec, data: Path, limits: Limits, stopped: Callable[[], bool]) -> Result:
    started = datetime.now(UTC)
    location: list[str] = []

    def open_sink(response: Response) -> Sink:
        if spec.volume is None:
            return Nowhere()
        name = filename(response.url, response.headers.get("content-disposition"))
        path = spec.path(spec.volume, name, started)
        location.append(f"volume://{spec.volume.claim}/{path}")
        return File(data, path, spec.job)

    log.info("GET %s", spec.request.url)
    order = Order(spec.request, dataclasses.replace(limits, allowed=spec.allowed))
    result = download(order, open_sink, ProgressLog(), stopped)
    kept = location[0] if location else None
    log.info("done: %s bytes, sha256 %s, %s", result.bytes, result.sha256, kept or "discarded")
    return dataclasses.replace(result, location=kept)


class ProgressLog:
    """One line every few seconds."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()

    def __call__(self, received: int, expected: int) -> None:
        """Say how far the transfer is, if it is time."""
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS:
            self._last = now
            log.info("%s", describe_progress(received, expected, now - self._started))


def describe_progress(received: int, expected: int, seconds: float) -> str:
    """Return bytes, rate and time left as people say them."""
    rate = received / seconds if seconds > 0 else 0.0
    text = f"{received / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
    if expected > received and rate > 0:
        text += f", {(expected - received) / rate:.0f} s left of {expected / 1e6:.1f} MB"
    return text
