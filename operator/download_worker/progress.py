"""Say how far a download is: for people, for machines."""

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Final

log = logging.getLogger(__name__)

PROGRESS_SECONDS: Final = 5.0
BAR_SECONDS: Final = 0.2
BAR_WIDTH: Final = 24


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, message, and what a message is made of."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Pace:
    """Tells now and then how far a transfer is, and how fast it has been since the last time.

    Args:
        seconds: between two times.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._told_at = time.monotonic()
        self._told: int | None = None

    def take(self, received: int) -> float | None:
        """Return the rate in bytes a second; None: it is not time.

        Args:
            received: bytes, with those of an earlier attempt.
        """
        now = time.monotonic()
        if self._told is None or received < self._told:
            self._told = received
        passed = now - self._told_at
        if passed < self._seconds:
            return None
        rate = (received - self._told) / passed
        self._told_at, self._told = now, received
        return rate


class ProgressLog:
    """One line every few seconds."""

    def __init__(self) -> None:
        self._pace = Pace(PROGRESS_SECONDS)

    def __call__(self, received: int, expected: int) -> None:
        """Say how far the transfer is, if it is time."""
        rate = self._pace.take(received)
        if rate is not None:
            data = {
                "bytes": received,
                "expected": expected or None,
                "bytesPerSecond": round(rate),
                "secondsLeft": _left(received, expected, rate),
            }
            log.info("%s", describe_progress(received, expected, rate), extra={"data": data})


class ProgressBar:
    """A bar in the terminal's last line, which is written over; the cursor stays at its start."""

    def __init__(self) -> None:
        self._pace = Pace(BAR_SECONDS)

    def __call__(self, received: int, expected: int) -> None:
        """Draw the bar, if it is time."""
        rate = self._pace.take(received)
        if rate is not None:
            bar = ""
            if expected:
                done = min(received / expected, 1.0)
                bar = f"{done:4.0%} [{'#' * round(done * BAR_WIDTH):{BAR_WIDTH}}] "
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            line = (bar + describe_progress(received, expected, rate))[:width]
            print(f"{line}\x1b[K", end="\r", file=sys.stderr)

    def clear(self) -> None:
        """Leave the line to what is said next."""
        print("\x1b[K", end="", file=sys.stderr, flush=True)


def describe_progress(received: int, expected: int, rate: float) -> str:
    """Return bytes, rate (bytes a second) and time left as people say them."""
    text = f"{received / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
    left = _left(received, expected, rate)
    return text if left is None else f"{text}, {left} s left of {expected / 1e6:.1f} MB"


def _left(received: int, expected: int, rate: float) -> int | None:
    return round((expected - received) / rate) if expected > received and rate > 0 else None
