"""Partial files: an attempt writes one, and a later attempt resumes with what is right in it.

See the package's docstring for their layout and life.
"""

import fcntl
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from download_schedule.attempt.folders import open_folder
from download_worker.errors import StoppedError
from download_worker.http.validators import RemoteVersion
from download_worker.volume.checksum_log import SUFFIX, ChecksumLog
from download_worker.volume.safe_paths import NEW_FILE, remove

ABANDONED_SECONDS: Final = 8 * 24 * 3600
"""Age at which a partial file cannot be in use any more: a run takes at most seven days, and clocks
differ."""

MAX_TRIES: Final = 2
"""Attempts in a row that may ask for the rest of a partial file and get nothing of it."""

_NAME: Final = re.compile(r"\.[0-9a-f]{16}\.part")
"""What follows the prefix in the name of a partial file."""
_BLOCK_BYTES: Final = 1024 * 1024


class PartialFile:
    """An incomplete file, open and locked. Once it is verified, it is a resume point.

    Attributes:
        folder: descriptor of its folder.
        name: in that folder.
        file: descriptor of the file itself.
        log: its checksum log; None until there is something to log.
        size: bytes that are verified.
        digest: ``hashlib`` object that has hashed those.
    """

    def __init__(self, folder: int, name: str, file: int, log: ChecksumLog | None = None) -> None:
        self.folder = folder
        self.name = name
        self.file = file
        self.log = log
        self.size = 0
        self.digest: Any = hashlib.sha256()

    @property
    def version(self) -> RemoteVersion:
        """The version of the file on its server. Only a file with a log has one."""
        if self.log is None:
            raise ValueError(f"{self.name} has no checksum log")
        return self.log.version

    def verify(self, stopped: Callable[[], bool]) -> None:
        """Find the longest prefix that the log confirms, and hash all of it but its last byte.

        Without that byte there is always something left to ask the server for.

        Raises:
            StoppedError: *stopped* returned true between two blocks.
        """
        if self.log is None:
            return
        longest = min(os.fstat(self.file).st_size, self.log.version.length or sys.maxsize)
        digest, position = hashlib.sha256(), 0
        with suppress(OSError):  # bytes that cannot be read any more are fetched again
            for size, sha256 in self.log.prefixes():
                if not position < size <= longest:
                    return
                if stopped():
                    raise StoppedError
                self._hash(digest, position, size - 1)
                without_last = digest.copy()
                self._hash(digest, size - 1, size)
                if digest.hexdigest() != sha256:
                    return
                position = size
                self.size, self.digest = size - 1, without_last

    @property
    def is_useless(self) -> bool:
        """Whether it has no verified bytes, or did not help often enough."""
        return not self.size or self.log is None or self.log.tries(self.size) >= MAX_TRIES

    def count_try(self) -> None:
        """Log that an attempt asks for the rest. Once it gets some of that, this does not count."""
        if self.log:
            with suppress(OSError):  # on a full volume, it is not counted
                self.log.add_try(self.size)

    def uncount_try(self) -> None:
        """Take back what :meth:`count_try` logged."""
        if self.log:
            with suppress(OSError):
                self.log.remove_try()

    def release(self, resumable: bool) -> None:
        """Leave the file to a later attempt if it can resume with it; otherwise remove it."""
        try:
            if not (resumable and self.log):
                remove(self.folder, self.name)
                remove(self.folder, self.name + SUFFIX)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, which gives up the lock."""
        if self.log:
            self.log.close()
        os.close(self.file)
        os.close(self.folder)

    def _hash(self, digest: Any, start: int, end: int) -> None:
        """Hash the bytes from *start* to before *end*."""
        while block := os.pread(self.file, min(_BLOCK_BYTES, end - start), start):
            start += len(block)
            digest.update(block)


class PartialFiles:
    """The partial files of one schedule, in one folder.

    Args:
        root: folder that exists.
        folder: below it; empty: the root itself.
        prefix: of their names, at most 200 bytes.
    """

    def __init__(self, root: Path, folder: str, prefix: str) -> None:
        self._root = root
        self._folder = folder
        self._prefix = prefix

    def create(self) -> PartialFile:
        """Create an empty one.

        Raises:
            OSError: the file system refuses.
        """
        folder = self._open_folder()
        try:
            while True:
                name = f".{self._prefix}.{os.urandom(8).hex()}.part"
                file = os.open(name, NEW_FILE, 0o644, dir_fd=folder)
                if _lock_new(file):
                    return PartialFile(folder, name, file)
                os.close(file)
        except OSError:
            os.close(folder)
            raise

    def find_resume_point(self, url: str, stopped: Callable[[], bool]) -> PartialFile | None:
        """Return the newest one for *url* that a download can resume with; remove all others.

        Args:
            url: address of the first request.
            stopped: asked between two blocks, all of which are hashed, whether to give up.

        Raises:
            OSError: the file system refuses.
            StoppedError: *stopped* returned true; what was not looked at yet stays.
        """
        chosen: PartialFile | None = None
        for partial in self._unlocked():
            if chosen is None and partial.log and partial.log.version.url == url:
                try:
                    partial.verify(stopped)
                except StoppedError:
                    partial.release(resumable=True)
                    raise
            if chosen is None and not partial.is_useless:
                chosen = partial
            else:
                partial.release(resumable=False)
        return chosen

    def _unlocked(self) -> Iterator[PartialFile]:
        """Yield those that are not in use, newest first."""
        folder = self._open_folder()
        try:
            for name in _newest_first(folder, self._prefix):
                if file := _lock(folder, name):
                    yield PartialFile(os.dup(folder), name, file, ChecksumLog.open(folder, name))
        finally:
            os.close(folder)

    def _open_folder(self) -> int:
        return open_folder(self._root, [self._folder] if self._folder else [], create=True)


def _newest_first(folder: int, prefix: str) -> list[str]:
    """Return the names of partial files; remove logs whose partial file is gone."""
    names = {name for name in os.listdir(folder) if name.startswith(f".{prefix}.")}
    for name in names:
        partial_name = name.removesuffix(SUFFIX)
        is_log = partial_name != name and _is_partial(partial_name, prefix)
        if is_log and partial_name not in names:
            remove(folder, name)
    modified: dict[str, int] = {}
    for name in names:
        if _is_partial(name, prefix):
            with suppress(FileNotFoundError):
                modified[name] = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    return sorted(modified, key=modified.__getitem__, reverse=True)


def _is_partial(name: str, prefix: str) -> bool:
    """Return whether it has exactly this prefix, and not a longer one that starts like it."""
    return bool(_NAME.fullmatch(name.removeprefix(f".{prefix}")))


def _lock(folder: int, name: str) -> int | None:
    """Return the open file if it is not in use and still has that name.

    Without lock support we cannot tell whether the file is in use, so it is only deleted once it is
    older than :data:`ABANDONED_SECONDS`.
    """
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(os.fstat(file), status) and status.st_nlink == 1:
            return file
    except BlockingIOError:
        pass
    except OSError:
        with suppress(OSError):
            if time.time() - os.fstat(file).st_mtime > ABANDONED_SECONDS:
                remove(folder, name)
    os.close(file)
    return None


def _lock_new(file: int) -> bool:
    """Lock a new file; return False if another run took it for an abandoned one before that."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # without locks, no other run can take it
    return os.fstat(file).st_nlink == 1
