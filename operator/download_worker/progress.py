"""How far a download is: for people and for machines."""

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Final

log = logging.getLogger(__name__)

LOG_INTERVAL_SECONDS: Final = 5.0
BAR_INTERVAL_SECONDS: Final = 0.2
BAR_WIDTH: Final = 24
"""Characters between the bar's brackets."""


class JSONFormatter(logging.Formatter):
    """Writes one JSON object a line: time (RFC 3339), level, message and the message's data."""

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


class RateMeter:
    """Measures how fast a transfer has been since the last measurement.

    Args:
        interval: seconds between two measurements.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._measured_at = time.monotonic()
        self._bytes: int | None = None

    def sample(self, received: int) -> float | None:
        """Return the rate in bytes a second, or None if the interval is not over.

        Args:
            received: bytes of the file so far, including those of an earlier attempt.
        """
        now = time.monotonic()
        if self._bytes is None or received < self._bytes:
            self._bytes = received
        elapsed = now - self._measured_at
        if elapsed < self._interval:
            return None
        rate = (received - self._bytes) / elapsed
        self._measured_at, self._bytes = now, received
        return rate


class ProgressLog:
    """Logs one line every few seconds."""

    def __init__(self) -> None:
        self._meter = RateMeter(LOG_INTERVAL_SECONDS)

    def __call__(self, received: int, expected: int) -> None:
        """Log how far the transfer is if the interval is over."""
        rate = self._meter.sample(received)
        if rate is not None:
            data = {
                "bytes": received,
                "expected": expected or None,
                "bytesPerSecond": round(rate),
                "secondsLeft": _seconds_left(received, expected, rate),
            }
            log.info("%s", describe_progress(received, expected, rate), extra={"data": data})


class ProgressBar:
    """Redraws the last line of a terminal and leaves the cursor at its start."""

    def __init__(self) -> None:
        self._meter = RateMeter(BAR_INTERVAL_SECONDS)

    def __call__(self, received: int, expected: int) -> None:
        """Draw the bar if the interval is over."""
        rate = self._meter.sample(received)
        if rate is not None:
            bar = ""
            if expected:
                done = min(received / expected, 1.0)
                bar = f"{done:4.0%} [{'#' * round(done * BAR_WIDTH):{BAR_WIDTH}}] "
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            line = (bar + describe_progress(received, expected, rate))[:width]
            print(f"{line}\x1b[K", end="\r", file=sys.stderr)

    def clear(self) -> None:
        """Clear the line for what is printed next."""
        print("\x1b[K", end="", file=sys.stderr, flush=True)


def describe_progress(received: int, expected: int, rate: float) -> str:
    """Return bytes, rate (bytes a second) and time left in words."""
    text = f"{received / 1e6:.1f} MB, {rate / 1e6:.1f} MB/s"
    seconds = _seconds_left(received, expected, rate)
    return text if seconds is None else f"{text}, {seconds} s left of {expected / 1e6:.1f} MB"


def _seconds_left(received: int, expected: int, rate: float) -> int | None:
    return round((expected - received) / rate) if expected > received and rate > 0 else None
