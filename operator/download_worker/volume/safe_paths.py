"""Files below the root of a volume, which nothing that lies there can lead out of."""

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from download_schedule.attempt.folders import open_folder
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.sink import Chunk

log = logging.getLogger(__name__)

LOCK_SECONDS: Final = 10.0
"""Longest wait for another process' lock of a folder."""
LOCK_POLL_SECONDS: Final = 0.02
MAX_PART_BYTES: Final = 255
"""Longest name of a file or folder on the usual file systems."""
NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that create a file, and fail where anything is already."""

_DIRECT: Final = getattr(os, "O_DIRECT", 0)
"""Flag for writing past the page cache; only Linux has it."""


def write_all(file: int, data: Chunk) -> None:
    """Write all of *data*; a single write may take less than it is given.

    Raises:
        OSError: the file system refuses.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def write_past_cache(file: int, data: Chunk) -> None:
    """Write *data* straight to the disk, or like :func:`write_all` where that is not possible.

    On most file systems it is possible where memory, length and offset are whole pages. It saves a
    copy of every byte, the memory for that copy, and the wait for the disk at the end.

    Raises:
        OSError: the file system refuses.
    """
    written = 0
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, _DIRECT)
        written = os.write(file, data)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        fcntl.fcntl(file, fcntl.F_SETFL, 0)
    write_all(file, memoryview(data)[written:])


def replace_file(root: Path, path: str, data: bytes) -> None:
    """Replace a small file below *root*. A crash leaves the old file or the new one.

    Raises:
        DownloadError: the path does not name a file below *root*.
        OSError: the file system refuses.
    """
    with parent_folder(root, path) as (folder, name):
        _replace(folder, name, data)
        os.fsync(folder)


@contextmanager
def folder_lock(
    root: Path,
    path: str,
    stopped: Callable[[], bool] = lambda: False,
    seconds: float = LOCK_SECONDS,
) -> Iterator[None]:
    """Lock the folder of *path* against others that do the same, if the file system has locks.

    Others hold it for milliseconds. Whoever can read the folder can hold it forever, though, so
    after *seconds* the block runs without the lock.

    Raises:
        DownloadError: the path does not name a file below *root*.
        OSError: the file system refuses.
        StoppedError: *stopped* returned true while another process held the lock.
    """
    with parent_folder(root, path) as (folder, _):
        with suppress(OSError):
            _wait_for_lock(folder, stopped, time.monotonic() + seconds)
        yield


def _wait_for_lock(folder: int, stopped: Callable[[], bool], deadline: float) -> None:
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stopped():
            raise StoppedError
        if time.monotonic() >= deadline:
            log.warning("another process keeps the manifests locked: going on without the lock")
            return None
        time.sleep(LOCK_POLL_SECONDS)


def is_replaceable(mode: int) -> bool:
    """Return whether a rename replaces what has this mode: a file, or a link itself."""
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def remove(folder: int, name: str) -> None:
    """Remove a file, if it is there.

    Raises:
        OSError: the file system refuses.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def parent_folder(root: Path, path: str, *, create: bool = True) -> Iterator[tuple[int, str]]:
    """Open the folder of the file *path*; yield its descriptor and the file's name.

    Args:
        root: folder that exists.
        path: below it.
        create: whether to create the folders that are missing; otherwise that is an OSError.

    Raises:
        DownloadError: the path does not name a file below *root*.
        OSError: the file system refuses.
    """
    folder, name = open_parent_folder(root, path, create=create)
    try:
        yield folder, name
    finally:
        os.close(folder)


def open_parent_folder(root: Path, path: str, *, create: bool = True) -> tuple[int, str]:
    """Do as :func:`parent_folder` does, for a caller that closes the descriptor itself.

    Raises:
        DownloadError: the path does not name a file below *root*.
        OSError: the file system refuses.
    """
    *folders, name = _split(path)
    return open_folder(root, folders, create=create), name


def _split(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH,
            "The path must name a file below the volume's root: leave out empty, . and .. parts.",
        )
    if any(len(os.fsencode(part)) > MAX_PART_BYTES for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH,
            f"A part of the path is longer than {MAX_PART_BYTES} bytes: shorten it.",
        )
    return parts


def _replace(folder: int, name: str, data: bytes) -> None:
    temporary = f".{name}.new"
    remove(folder, temporary)  # a process that was killed may have left one
    file = os.open(temporary, NEW_FILE, 0o644, dir_fd=folder)
    try:
        write_all(file, data)
        os.fsync(file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        remove(folder, temporary)
        raise
    finally:
        os.close(file)
