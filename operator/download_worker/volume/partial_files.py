"""Files that are not complete yet: a later attempt goes on where an earlier one ended.

A part lies beside its journal. Whoever writes to a part holds its lock, which the kernel takes back
when the process dies: what can be locked is a leftover. Of a leftover counts the longest beginning
of which the journal has the digest, whatever became of it: killed attempts, crashed machines and
other hands on the volume cost bytes, and never bring a wrong one.
"""

import fcntl
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from download_worker.errors import StoppedError
from download_worker.http.validators import Origin
from download_worker.volume.checksum_log import SUFFIX, Journal
from download_worker.volume.safe_paths import NEW_FILE, open_folder, remove

ABANDONED_SECONDS: Final = 8 * 24 * 3600
"""After which nobody is at a part any more: a run may take seven days, clocks differ."""

_PART: Final = re.compile(r"\.[0-9a-f]{16}\.part")
_BLOCK: Final = 1024 * 1024


class Part:
    """An incomplete file, open and locked."""

    def __init__(self, folder: int, name: str, file: int, journal: Journal | None = None) -> None:
        self.folder = folder
        self.name = name
        self.file = file
        self.journal = journal

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from *start* to before *end* in blocks."""
        while block := os.pread(self.file, min(_BLOCK, end - start), start):
            start += len(block)
            yield block

    def length(self) -> int:
        """Return how many bytes it has."""
        return os.fstat(self.file).st_size

    def release(self, resumable: bool) -> None:
        """Leave it for a later attempt, if that can go on with it; else remove it."""
        try:
            if not (resumable and self.journal):
                remove(self.folder, self.name)
                remove(self.folder, self.name + SUFFIX)
        finally:
            self.close()

    def close(self) -> None:
        """Give up the lock."""
        if self.journal:
            self.journal.close()
        os.close(self.file)
        os.close(self.folder)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A part that may be gone on with."""

    part: Part
    origin: Origin
    size: int
    """Bytes that are known to be right; the server has at least one more."""
    digest: Any
    """``hashlib`` object that has taken those."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one owner, in one folder.

    Args:
        root: folder that exists.
        folder: below it; empty: the root itself.
        owner: whose they are; at most 200 bytes, so that the names fit.
    """

    root: Path
    folder: str
    owner: str

    def new(self) -> Part:
        """Return an empty part.

        Raises:
            OSError: the file system refuses.
        """
        folder = self._open()
        try:
            while True:
                name = f".{self.owner}.{os.urandom(8).hex()}.part"
                file = os.open(name, NEW_FILE, 0o644, dir_fd=folder)
                if _is_ours(file):
                    return Part(folder, name, file)
                os.close(file)
        except OSError:
            os.close(folder)
            raise

    def leftover(self, url: str, stopped: Callable[[], bool]) -> Leftover | None:
        """Return the newest leftover of *url* that can be used, locked; remove all others.

        Args:
            url: as it was asked for.
            stopped: asked between two mebibytes, all of which are hashed, whether to give up.

        Raises:
            OSError: the file system refuses.
            StoppedError: it was to give up; what was not looked at is still there.
        """
        found: Leftover | None = None
        for part in self._unlocked():
            try:
                usable = None if found else _usable(part, url, stopped)
            except StoppedError:
                part.release(resumable=True)
                raise
            if usable:
                found = usable
            else:
                part.release(resumable=False)
        return found

    def _unlocked(self) -> Iterator[Part]:
        folder = self._open()
        try:
            for name in _by_age(folder, self.owner):
                if file := _locked(folder, name):
                    yield Part(os.dup(folder), name, file, Journal.open(folder, name))
        finally:
            os.close(folder)

    def _open(self) -> int:
        return open_folder(self.root, f"{self.folder}/part" if self.folder else "part")[0]


def _by_age(folder: int, owner: str) -> list[str]:
    """Return the parts of *owner*, newest first; remove journals whose part is gone."""
    names = {name for name in os.listdir(folder) if name.startswith(f".{owner}.")}
    for name in names:
        part = name.removesuffix(SUFFIX)
        if part != name and _is_part(part, owner) and part not in names:
            remove(folder, name)
    ages: dict[str, int] = {}
    for name in names:
        if not _is_part(name, owner):
            continue
        with suppress(FileNotFoundError):
            ages[name] = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    return sorted(ages, key=ages.__getitem__, reverse=True)


def _is_part(name: str, owner: str) -> bool:
    """Whether it is *owner*'s, and not of somebody whose name begins with that."""
    return bool(_PART.fullmatch(name.removeprefix(f".{owner}")))


def _locked(folder: int, name: str) -> int | None:
    """Return the open file if nobody else is at it, and it still has that name.

    Where the file system has no locks, nobody is ever known not to be: it only goes once it is old.
    """
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(os.fstat(file), same) and same.st_nlink == 1:
            return file
    except BlockingIOError:
        pass
    except OSError:
        with suppress(OSError):
            if time.time() - os.fstat(file).st_mtime > ABANDONED_SECONDS:
                remove(folder, name)
    os.close(file)
    return None


def _is_ours(file: int) -> bool:
    """Lock a new part; false if another run took it for a leftover before that."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here: nobody will take it
    return os.fstat(file).st_nlink == 1


def _usable(part: Part, url: str, stopped: Callable[[], bool]) -> Leftover | None:
    journal = part.journal
    if journal is None or journal.origin.url != url:
        return None
    longest = min(part.length(), journal.origin.length or sys.maxsize)
    digest, read, found = hashlib.sha256(), 0, None
    with suppress(OSError):  # what cannot be read any more is fetched again
        for size, sha256 in journal.entries():
            if not read < size <= longest:
                break
            if stopped():
                raise StoppedError
            _update(digest, part, read, size - 1)
            # Without the last byte, so that there is always something to ask for.
            before = digest.copy()
            _update(digest, part, size - 1, size)
            if digest.hexdigest() != sha256:
                break
            read, found = size, Leftover(part, journal.origin, size - 1, before)
    return found if found and found.size else None


def _update(digest: Any, part: Part, start: int, end: int) -> None:
    for block in part.read(start, end):
        digest.update(block)
