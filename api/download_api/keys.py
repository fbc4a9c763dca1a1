"""The one API key: where it comes from, and whether a caller has it."""

import hmac
from pathlib import Path
from typing import Final

BEARER: Final = "bearer "


class KeyFile:
    """The key in a file, read again whenever the file changes, as a mounted Secret does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, bytes] | None = None

    def matches(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Tell whether a request carries the key, as ``Authorization: Bearer`` or ``X-API-Key``.

        Takes the same time wherever the first difference is. An unreadable or empty file matches
        nothing.
        """
        offered = [x_api_key] if x_api_key else []
        if authorization and authorization[: len(BEARER)].lower() == BEARER:
            offered.append(authorization[len(BEARER) :].strip())
        key = self._key()
        return bool(key) and any(hmac.compare_digest(key, text.encode()) for text in offered)

    def _key(self) -> bytes:
        try:
            changed = self._path.stat().st_mtime_ns
            if self._read is None or self._read[0] != changed:
                self._read = changed, self._path.read_bytes().strip()
        except OSError:
            return b""
        return self._read[1]
