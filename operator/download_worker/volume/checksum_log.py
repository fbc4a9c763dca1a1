"""What is known of a file that is not complete yet: JSON lines, each true of its beginning.

The first line says what the file is on its server; every other holds a number of bytes and their
sha256. Lines are only added, so that one that was cut short by a crash costs no other. None of them
is believed that the bytes themselves do not confirm.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from download_worker.http.validators import Origin
from download_worker.volume.safe_paths import NEW_FILE, write_all

SUFFIX: Final = ".jsonl"
MAX_LINE: Final = 16_384

Entry = tuple[int, str]
"""Bytes, and their sha256."""


class Journal:
    """The journal of one part, open.

    Attributes:
        origin: what the server said of the whole file.
    """

    def __init__(self, file: int, origin: Origin) -> None:
        self._file = file
        self.origin = origin

    @classmethod
    def create(cls, folder: int, part: str, origin: Origin) -> "Journal":
        """Begin the journal of a new part.

        Raises:
            OSError: the file system refuses.
        """
        file = os.open(part + SUFFIX, NEW_FILE | os.O_APPEND, 0o644, dir_fd=folder)
        journal = cls(file, origin)
        journal._add(asdict(origin))
        return journal

    @classmethod
    def open(cls, folder: int, part: str) -> "Journal | None":
        """Return the journal of a part; None where there is none that can be read."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):
            file = os.open(part + SUFFIX, flags, dir_fd=folder)
            line = next(_lines(file), b"")
            with suppress(AttributeError, RecursionError, TypeError, ValueError):
                return cls(file, _origin(json.loads(line)))
            os.close(file)
        return None

    def note(self, size: int, sha256: str) -> None:
        """Say that the part's first *size* bytes have this digest.

        Raises:
            OSError: the file system refuses.
        """
        self._add({"bytes": size, "sha256": sha256})

    def entries(self) -> Iterator[Entry]:
        """Yield what was noted, up to the first line that is none."""
        return (entry for entry, _ in self._entries())

    def rewind(self, size: int, sha256: str) -> None:
        """Forget what was noted of more than *size* bytes, which have this digest.

        Raises:
            OSError: the file system refuses.
        """
        end = len(next(_lines(self._file), b""))
        for (noted, _), behind in self._entries():
            if noted >= size:
                break
            end = behind
        os.ftruncate(self._file, end)
        self.note(size, sha256)

    def sync(self) -> None:
        """Bring it to the disk.

        Raises:
            OSError: the file system refuses.
        """
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _add(self, document: Any) -> None:
        write_all(self._file, json.dumps(document).encode() + b"\n")

    def _entries(self) -> Iterator[tuple[Entry, int]]:
        """Yield each entry with the offset behind its line."""
        offset = 0
        for number, line in enumerate(_lines(self._file)):
            offset += len(line)
            if number == 0:
                continue
            try:
                document = json.loads(line)
                size, sha256 = document["bytes"], document["sha256"]
            except (KeyError, RecursionError, TypeError, ValueError):
                return
            if not isinstance(size, int) or not isinstance(sha256, str):
                return
            yield (size, sha256), offset


def _lines(file: int) -> Iterator[bytes]:
    """Yield the lines from the first on; one that has no end is none."""
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        while (line := reader.readline(MAX_LINE)).endswith(b"\n"):
            yield line


def _origin(document: Any) -> Origin:
    """Return what a first line says; its texts go into headers.

    Raises:
        TypeError, ValueError: it is not one.
    """
    origin = Origin(**document)
    for text in (origin.url, origin.validator):
        if not (isinstance(text, str) and text.isascii() and text.isprintable()):
            raise TypeError(text)
    length = origin.length
    if length is not None and not (isinstance(length, int) and length >= 0):
        raise TypeError(length)
    return origin
