"""Read when a server wants to be asked again (RFC 9110, 10.2.3)."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from download_worker.http.dates import parse_date

MAX_SECONDS: Final = 365 * 24 * 3600
"""Longest wait that is told apart from longer ones."""
_MAX_DIGITS: Final = 9


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> int | None:
    """Return how many seconds to wait; None if the server does not ask for a wait.

    A date counts from the server's own clock where the response has that, otherwise from *now*.
    What is neither seconds nor a date is ignored.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        seconds = int(digits or 0) if len(digits) <= _MAX_DIGITS else MAX_SECONDS
    elif moment := parse_date(text):
        server_now = parse_date(headers.get("date", "")) or now
        seconds = math.ceil((moment - server_now).total_seconds())
    else:
        return None
    return min(seconds, MAX_SECONDS) if seconds > 0 else None
