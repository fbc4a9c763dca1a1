"""The file of one attempt: its bytes are on the disk before it gets its name."""

import errno
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from download_worker.http.validators import RemoteVersion
from download_worker.sink import Chunk, Sink
from download_worker.volume.checksum_log import SUFFIX, ChecksumLog
from download_worker.volume.partial_files import PartialFile
from download_worker.volume.safe_paths import (
    is_replaceable,
    open_parent_folder,
    remove,
    write_all,
    write_past_cache,
)
from download_worker.writer import BLOCK_BYTES

log = logging.getLogger(__name__)

SYNC_SECONDS: Final = 5.0
"""Seconds of work that a crash of the machine may cost."""
LOG_BYTES: Final = BLOCK_BYTES
"""Bytes that the death of the process may cost."""


class OutputFile(Sink):
    """Writes to a partial file, which a commit gives its name.

    Args:
        partial: takes the bytes, after those that are verified. The output file owns it from here
            on, and releases it if this raises.
        root: folder that exists.
        path: of the file, below the root.
        version: version of the file on its server; None: a later attempt cannot resume.
        log_bytes: bytes between two lines of the checksum log.
        sync_seconds: seconds between two moments at which everything is brought to the disk.

    Attributes:
        path: as given.
        inode: of the file. If the path has another one after the commit, another run was faster.

    Raises:
        DownloadError: the path does not name a file below *root*.
        OSError: the file system refuses.
    """

    def __init__(
        self,
        partial: PartialFile,
        root: Path,
        path: str,
        version: RemoteVersion | None = None,
        *,
        log_bytes: int = LOG_BYTES,
        sync_seconds: float = SYNC_SECONDS,
    ) -> None:
        try:
            self._folder, self._name = open_parent_folder(root, path)
        except BaseException:
            partial.release(resumable=False)
            raise
        self.path = path
        self.inode = os.fstat(partial.file).st_ino
        self._partial = partial
        self._version = version
        self._log_bytes = log_bytes
        self._sync_seconds = sync_seconds
        self._size = self._logged = partial.size
        self._checkpoint = (partial.size, partial.digest.hexdigest())
        self._synced_at = time.monotonic()
        self._is_open = True
        try:
            _check_replaceable(self._folder, self._name)
            os.ftruncate(partial.file, partial.size)
            os.lseek(partial.file, partial.size, os.SEEK_SET)
            if partial.log:
                partial.log.rewind(*self._checkpoint)
        except OSError:
            self.discard()
            raise

    def write(self, chunk: Chunk) -> None:
        """Append *chunk*."""
        if len(chunk) == BLOCK_BYTES and self._size % BLOCK_BYTES == 0:
            write_past_cache(self._partial.file, chunk)
        else:
            write_all(self._partial.file, chunk)
        self._size += len(chunk)

    def checkpoint(self, sha256: str) -> None:
        """Log the digest once there is a mebibyte more, and sync every few seconds."""
        self._checkpoint = (self._size, sha256)
        if self._version is None:
            return
        if time.monotonic() - self._synced_at >= self._sync_seconds:
            self._sync(self._version)
        elif self._size - self._logged >= self._log_bytes:
            self._log(self._version)

    def commit(self, sha256: str) -> str | None:  # noqa: ARG002 - a subclass records it
        """Bring the bytes to the disk, then the name: a crash leaves the whole file or none.

        Return the path.
        """
        partial = self._partial
        self._flush()
        self.check_path()
        os.rename(partial.name, self._name, src_dir_fd=partial.folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)
        remove(partial.folder, partial.name + SUFFIX)
        self._is_open = False
        partial.close()
        os.close(self._folder)
        return self.path

    def check_path(self) -> None:
        """Raise DownloadError if the file must not have its path. Asked just before it gets it."""

    def discard(self) -> None:
        """Remove the partial file."""
        self._release(resumable=False)

    def suspend(self) -> None:
        """Leave the partial file to a later attempt, if that can resume with it."""
        self._release(resumable=self._version is not None)

    def _release(self, resumable: bool) -> None:
        if not self._is_open:
            return
        self._is_open = False
        os.close(self._folder)
        try:
            size, _ = self._checkpoint
            if resumable and self._version and size:
                self._sync(self._version)
        except OSError as error:
            log.warning("not every byte fetched is on the disk: %s", error)
        finally:
            self._partial.release(resumable and self._version is not None)

    def _sync(self, version: RemoteVersion) -> None:
        self._flush()
        checksum_log = self._log(version)
        checksum_log.sync()
        os.fsync(self._partial.folder)
        self._synced_at = time.monotonic()

    def _flush(self) -> None:
        """Bring the bytes to the disk. The kernel reports lost bytes only once."""
        try:
            os.fsync(self._partial.file)
        except OSError:
            self._version = None  # so that no attempt resumes with this file
            raise

    def _log(self, version: RemoteVersion) -> ChecksumLog:
        partial = self._partial
        if partial.log is None:
            partial.log = ChecksumLog.create(partial.folder, partial.name, version)
        partial.log.append(*self._checkpoint)
        self._logged, _ = self._checkpoint
        return partial.log


def _check_replaceable(folder: int, name: str) -> None:
    """Check that the name is free, or names a file or a link, which a rename replaces.

    Raises:
        OSError: it names something else.
    """
    with suppress(FileNotFoundError):
        if not is_replaceable(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
