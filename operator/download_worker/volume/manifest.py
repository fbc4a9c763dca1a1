"""What a schedule remembers on its volume: the files that it wrote, and what the last one was.

One small file for each schedule, ``.download-operator/{namespace}.{name}.json``, written after a
file is committed. Whoever may write to the volume may write it too: it is read as any input is, and
a file is only ever removed where it is still the very one that was written.
"""

import errno
import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from download_worker.errors import DownloadError, Reason
from download_worker.http.validators import is_fresh
from download_worker.volume.safe_paths import inside, locked, replace_file

log = logging.getLogger(__name__)

FOLDER: Final = ".download-operator"
MAX_FILES: Final = 10_000
"""Files remembered, oldest forgotten first; also the most that ``keepLast`` can be."""
MAX_BYTES: Final = 16 * 1024**2

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting for somebody to write, if a pipe is in the file's place."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that this schedule wrote."""

    path: str
    inode: int
    modified: int
    """Nanoseconds since 1970, as the file system has it."""
    source: str
    sha256: str
    etag: str | None = None
    last_modified: str | None = None


_SHA256: Final = re.compile("[0-9a-f]{64}")
_NUMBERS: Final = frozenset({"inode", "modified"})
_OPTIONAL: Final = frozenset({"etag", "last_modified"})


def _checked(item: Any) -> Written:
    """Return a remembered file; its texts go into paths and headers.

    Raises:
        TypeError, ValueError: it is none.
    """
    for name, value in item.items():
        if value is None and name in _OPTIONAL:
            continue
        if not isinstance(value, int if name in _NUMBERS else str):
            raise TypeError(name)
        if isinstance(value, str) and not value.isprintable():
            raise ValueError(name)
    written = Written(**item)
    if not _SHA256.fullmatch(written.sha256):
        raise ValueError("sha256")
    return written


def _validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return ETag and Last-Modified where :func:`_checked` takes them, and they say something."""
    told = headers.get("etag"), headers.get("last-modified")
    etag, modified = (text if text and text.isprintable() else None for text in told)
    return etag, None if modified and not etag and is_fresh(headers) else modified


def _reduced(written: Written) -> Written:
    """Forget what only matters of the last file: thousands of them have to fit into the memory."""
    return replace(written, source="", etag=None, last_modified=None)


@dataclass(slots=True)
class Memory:
    """The files that one schedule wrote, oldest first.

    Args:
        root: where the volume is mounted.
        owner: namespace and name of the schedule, with a dot between.
    """

    root: Path
    owner: str
    files: list[Written] = field(default_factory=list)

    @classmethod
    def read(cls, root: Path, owner: str) -> "Memory":
        """Read it; what is missing or unreadable is as if nothing had been written."""
        memory = cls(root, owner)
        try:
            with inside(root, memory.path) as (folder, name):
                handle = os.open(name, _READ, dir_fd=folder)
            with os.fdopen(handle, "rb") as file:
                memory.files = [_checked(item) for item in json.loads(file.read(MAX_BYTES))]
        except FileNotFoundError:
            pass
        except (
            AttributeError,
            DownloadError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            log.warning("%s is not readable (%s): beginning anew", memory.path, error)
        return memory

    @property
    def path(self) -> str:
        """Where it is, below the root."""
        return f"{FOLDER}/{self.owner}.json"

    def latest(self, source: str) -> Written | None:
        """Return the last file, if it was made from *source* and is still there as it was."""
        last = self.files[-1] if self.files else None
        return last if last and last.source == source and self._is_there(last) else None

    def add(self, written: Written, keep_last: int | None) -> None:
        """Remember *written*, and remove the oldest files beyond *keep_last* (None: none).

        Trouble is logged and no more: the file itself is safe.
        """
        try:
            with locked(self.root, self.path):
                if not self._is_there(written):
                    return  # another run was faster, and remembers its own
                self.files = Memory.read(self.root, self.owner).files  # another run may have ended
                self._add(written, keep_last)
        except (OSError, DownloadError) as error:
            log.warning("what was written is not remembered, or not tidied up: %s", error)

    def renew(
        self, last: Written, headers: Mapping[str, str] | None, keep_last: int | None
    ) -> None:
        """Remember what its server says now of the *last* file, which is still the same.

        Args:
            last: as it was remembered.
            headers: of the answer that brought it again; None: it was not sent.
            keep_last: as for :meth:`add`.
        """
        if headers is None:
            return self.add(last, keep_last)
        etag, modified = _validators(headers)
        return self.add(replace(last, etag=etag, last_modified=modified), keep_last)

    def _add(self, written: Written, keep_last: int | None) -> None:
        this = written.path, written.inode, written.modified
        if any((each.path, each.inode, each.modified) == this for each in self.files[:-1]):
            return  # it is not new, and another run wrote a later one
        old = [_reduced(each) for each in self.files if each.path != written.path]
        excess = max(len(old) + 1 - (keep_last or MAX_FILES), 0)
        if not excess and self.files[-1:] == [written]:
            return
        stuck = [each for each in old[:excess] if keep_last and not self._remove(each)]
        self.files = [*stuck, *old[excess:], written][-MAX_FILES:]
        document = json.dumps([asdict(each) for each in self.files])
        replace_file(self.root, self.path, document.encode())

    def check_free(self, path: str) -> None:
        """Insist that no other schedule keeps a file, or its memory, at *path*.

        Raises:
            DownloadError: one does.
            OSError: the file system refuses.
        """
        if path.partition("/")[0].casefold() == FOLDER:
            raise DownloadError(
                Reason.INVALID_PATH,
                f"The path leads into {FOLDER}, where schedules keep their own: choose another.",
            )
        try:
            found = self.stat(path)
        except FileNotFoundError:
            return
        if any(own.path == path and (own.inode, own.modified) == found for own in self.files):
            return
        for owner in self._others():
            for kept in Memory.read(self.root, owner).files:
                if kept.path == path and (kept.inode, kept.modified) == found:
                    raise DownloadError(
                        Reason.UNSAFE_PATH,
                        f"{path} is a file of the schedule {owner}: choose another path, "
                        "for example with {namespace} and {name} in it.",
                    )

    def _others(self) -> list[str]:
        with inside(self.root, self.path) as (folder, own), os.scandir(folder) as found:
            names = [entry.name for entry in found if entry.name != own]
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def note(
        self, path: str, inode: int, source: str, sha256: str, headers: Mapping[str, str]
    ) -> Written:
        """Return what to remember of a file just committed.

        Raises:
            OSError: it is gone already; what is there may be another run's.
        """
        found, modified = self.stat(path)
        if found != inode:
            raise FileNotFoundError(errno.ENOENT, "another file is there", path)
        return Written(path, inode, modified, source, sha256, *_validators(headers))

    def stat(self, path: str) -> tuple[int, int]:
        """Return inode and time of modification of a file.

        Raises:
            OSError: it is not there.
        """
        with inside(self.root, path, make=False) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return found.st_ino, found.st_mtime_ns

    def _is_there(self, written: Written) -> bool:
        with suppress(OSError, DownloadError):
            return self.stat(written.path) == (written.inode, written.modified)
        return False

    def _remove(self, old: Written) -> bool:
        """Tell whether it is gone."""
        if not self._is_there(old):
            return True
        try:
            with inside(self.root, old.path, make=False) as (folder, name):
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            log.warning("%s, beyond keepLast, cannot be removed: %s", old.path, error)
            return False
        log.info("removed %s, beyond keepLast", old.path)
        return True
