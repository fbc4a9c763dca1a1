"""The checksum log of a partial file: JSON lines that say which prefixes of it are right.

The first line describes the file on its server; the others have a number of bytes and their
SHA-256, or say that an attempt tried to get more. Lines are only appended, so a line that a crash
cut short harms no other. None is believed until the bytes themselves confirm it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from download_worker.http.validators import RemoteVersion
from download_worker.volume.safe_paths import NEW_FILE, write_all

SUFFIX: Final = ".jsonl"
"""Appended to the partial file's name."""
MAX_LINE_BYTES: Final = 16_384

Prefix = tuple[int, str]
"""Number of bytes from the start of the file, and their SHA-256."""


class ChecksumLog:
    """The open log of one partial file.

    Attributes:
        version: version of the file on its server.
    """

    def __init__(self, file: int, version: RemoteVersion) -> None:
        self._file = file
        self._end_before_try: int | None = None
        self.version = version

    @classmethod
    def create(cls, folder: int, partial_name: str, version: RemoteVersion) -> "ChecksumLog":
        """Start the log of a new partial file.

        Raises:
            OSError: the file system refuses.
        """
        file = os.open(partial_name + SUFFIX, NEW_FILE | os.O_APPEND, 0o644, dir_fd=folder)
        log = cls(file, version)
        log._append(version._asdict())
        return log

    @classmethod
    def open(cls, folder: int, partial_name: str) -> "ChecksumLog | None":
        """Open the log of a partial file; return None if it is missing or unreadable."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):
            file = os.open(partial_name + SUFFIX, flags, dir_fd=folder)
            line = next(_lines(file), b"")
            with suppress(AttributeError, RecursionError, TypeError, ValueError):
                return cls(file, _parse_version(json.loads(line)))
            os.close(file)
        return None

    def append(self, size: int, sha256: str) -> None:
        """Log that the file's first *size* bytes have this digest.

        Raises:
            OSError: the file system refuses.
        """
        self._append({"bytes": size, "sha256": sha256})

    def prefixes(self) -> Iterator[Prefix]:
        """Yield what was logged, up to the first line that is damaged."""
        return (prefix for prefix, _ in self._entries())

    def rewind(self, size: int, sha256: str) -> None:
        """Drop what was logged about more than *size* bytes, which have this digest.

        Raises:
            OSError: the file system refuses.
        """
        tries = self.tries(size)
        end = len(next(_lines(self._file), b""))
        for (logged_size, _), line_end in self._entries():
            if logged_size >= size:
                break
            end = line_end
        os.ftruncate(self._file, end)
        self.append(size, sha256)
        for _ in range(tries):
            self.add_try(size)

    def tries(self, size: int) -> int:
        """Return how many attempts tried to get more than *size* bytes, and got nothing."""
        return sum(1 for tried in self._tries() if tried >= size)

    def add_try(self, size: int) -> None:
        """Log that an attempt tries to get more than *size* bytes.

        Raises:
            OSError: the file system refuses.
        """
        self._end_before_try = os.fstat(self._file).st_size
        self._append({"tried": size})

    def remove_try(self) -> None:
        """Remove what :meth:`add_try` logged last; nothing else was logged since then.

        Raises:
            OSError: the file system refuses.
        """
        if self._end_before_try is not None:
            os.ftruncate(self._file, self._end_before_try)

    def sync(self) -> None:
        """Bring the log to the disk.

        Raises:
            OSError: the file system refuses.
        """
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, document: Any) -> None:
        write_all(self._file, json.dumps(document).encode() + b"\n")

    def _entries(self) -> Iterator[tuple[Prefix, int]]:
        """Yield each prefix with the offset at which its line ends."""
        for document, end in self._documents():
            size, sha256 = document.get("bytes"), document.get("sha256")
            if isinstance(size, int) and isinstance(sha256, str):
                yield (size, sha256), end
            elif "tried" not in document:
                return

    def _tries(self) -> Iterator[int]:
        """Yield how many bytes were there each time that an attempt tried to get more."""
        for document, _ in self._documents():
            if isinstance(tried := document.get("tried"), int):
                yield tried

    def _documents(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each line but the first, up to a damaged one, with the offset at which it ends."""
        offset = 0
        for number, line in enumerate(_lines(self._file)):
            offset += len(line)
            if number == 0:
                continue
            try:
                document = json.loads(line)
            except (RecursionError, ValueError):
                return
            if not isinstance(document, dict):
                return
            yield document, offset


def _lines(file: int) -> Iterator[bytes]:
    """Yield the lines from the first on; what has no line feed at its end is not a line."""
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        while (line := reader.readline(MAX_LINE_BYTES)).endswith(b"\n"):
            yield line


def _parse_version(document: Any) -> RemoteVersion:
    """Read the first line, whose texts go into headers.

    Raises:
        TypeError, ValueError: it does not describe a version.
    """
    version = RemoteVersion(**document)
    for text in (version.url, version.validator):
        if not (isinstance(text, str) and text.isascii() and text.isprintable()):
            raise TypeError(text)
    length = version.length
    if length is not None and not (isinstance(length, int) and length >= 0):
        raise TypeError(length)
    return version
