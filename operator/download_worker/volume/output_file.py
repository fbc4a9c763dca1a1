"""One file on its way to its name: noted as it grows, on the disk before it is seen."""

import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from download_worker.http.validators import Origin
from download_worker.volume.checksum_log import SUFFIX, Journal
from download_worker.volume.partial_files import Part
from download_worker.volume.safe_paths import (
    Chunk,
    open_folder,
    remove,
    write_all,
    write_past_cache,
)

log = logging.getLogger(__name__)

SYNC_SECONDS: Final = 5.0
"""What a crash of the whole machine may cost."""
NOTE_BYTES: Final = 1024 * 1024
"""What the death of the process may cost."""


class File:
    """A file on its way to its name.

    Args:
        part: is the file's as long as it has no name; released if this raises.
        root: folder that exists.
        path: what the file will be called, below it.
        origin: what the server said of the whole file; None: a later attempt cannot go on.
        size: bytes of the part that stay.
        sha256: of those.
        check: asked just before the file gets its name; raises if it must not have it. None: it
            may replace anything.

    Attributes:
        inode: of the file; where there is another at its path, another run was faster.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """

    def __init__(
        self,
        part: Part,
        root: Path,
        path: str,
        origin: Origin | None = None,
        size: int = 0,
        sha256: str = "",
        check: Callable[[], None] | None = None,
    ) -> None:
        try:
            self._target, self._name = open_folder(root, path)
        except BaseException:
            part.release(resumable=False)
            raise
        self._part = part
        self._origin = origin
        self._check = check
        self.inode = os.fstat(part.file).st_ino
        self._size = self._noted = size
        self._reached = (size, sha256)
        self._synced_at = time.monotonic()
        self._open = True
        try:
            _check_target(self._target, self._name)
            os.ftruncate(part.file, size)
            os.lseek(part.file, size, os.SEEK_SET)
            if part.journal:
                part.journal.rewind(size, sha256)
        except OSError:
            self.abandon(resumable=False)
            raise

    def write(self, chunk: Chunk) -> None:
        """Append *chunk*."""
        whole = len(chunk) == NOTE_BYTES and self._size % NOTE_BYTES == 0
        (write_past_cache if whole else write_all)(self._part.file, chunk)
        self._size += len(chunk)

    def checkpoint(self, sha256: str) -> None:
        """Note how far it is, at every mebibyte; bring it to the disk if it is time."""
        self._reached = (self._size, sha256)
        if self._origin is None:
            return
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self._sync(self._origin)
        elif self._size - self._noted >= NOTE_BYTES:
            self._note(self._origin)

    def commit(self, sha256: str) -> None:
        """Bring the bytes to the disk, then the name: after a crash there is all or nothing."""
        del sha256
        part = self._part
        self._flush()
        if self._check:
            self._check()
        os.rename(part.name, self._name, src_dir_fd=part.folder, dst_dir_fd=self._target)
        os.fsync(self._target)
        remove(part.folder, part.name + SUFFIX)
        self._open = False
        part.close()
        os.close(self._target)

    def abandon(self, resumable: bool) -> None:
        """Leave the part for a later attempt, if that can go on with it; else remove it."""
        if not self._open:
            return
        self._open = False
        os.close(self._target)
        try:
            if resumable and self._origin and self._reached[0]:
                self._sync(self._origin)
        except OSError as error:
            log.warning("what was fetched is not all on the disk: %s", error)
        finally:
            self._part.release(resumable and self._origin is not None)

    def _sync(self, origin: Origin) -> None:
        self._flush()
        journal = self._note(origin)
        journal.sync()
        os.fsync(self._part.folder)
        self._synced_at = time.monotonic()

    def _flush(self) -> None:
        """Bring the bytes to the disk. What failed here once may seem well the next time."""
        try:
            os.fsync(self._part.file)
        except OSError:
            self._origin = None
            raise

    def _note(self, origin: Origin) -> Journal:
        part = self._part
        if part.journal is None:
            part.journal = Journal.create(part.folder, part.name, origin)
        part.journal.note(*self._reached)
        self._noted = self._reached[0]
        return part.journal


def _check_target(folder: int, name: str) -> None:
    """Insist on nothing, a file or a link where the file is to be: those can be replaced.

    Raises:
        OSError: it is something else.
    """
    with suppress(FileNotFoundError):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
