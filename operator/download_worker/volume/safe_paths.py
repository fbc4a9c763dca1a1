"""Folders and files below a root.

No part of a path is followed where it is a symbolic link, so that nothing that lies on a shared
volume leads out of it.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from download_worker.errors import DownloadError, Reason

MAX_PART: Final = 255
"""Bytes of one part of a path, by the usual file systems."""
NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_DIRECT: Final = getattr(os, "O_DIRECT", 0)
"""Linux has it."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Chunk = bytes | bytearray | memoryview


class Sink(Protocol):
    """Takes the bytes of one attempt."""

    def write(self, chunk: Chunk) -> None:
        """Take the next bytes."""

    def checkpoint(self, sha256: str) -> None:
        """Make what was written so far, of that digest, survive this process."""

    def commit(self, sha256: str) -> None:
        """Keep what was written, of that digest."""

    def abandon(self, resumable: bool) -> None:
        """Do not keep it, but for a later attempt if *resumable*; nothing happens after
        :meth:`commit`."""


class Nowhere:
    """Keeps nothing."""

    def write(self, chunk: Chunk) -> None:
        """Take the next bytes."""

    def checkpoint(self, sha256: str) -> None:
        """Keep nothing."""

    def commit(self, sha256: str) -> None:
        """Keep nothing."""

    def abandon(self, resumable: bool) -> None:
        """Keep nothing."""


def write_all(file: int, data: Chunk) -> None:
    """Write *data*, all of it: one write may take less than it is given.

    Raises:
        OSError: the file system refuses.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def write_past_cache(file: int, data: Chunk) -> None:
    """Write *data* straight to the disk, or as :func:`write_all` does where that cannot be.

    It can be where memory, length and offset are whole pages, on most file systems. It saves one
    copy of all bytes, the room for it, and the wait for the disk at the end.

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
    """Write a small file below *root*: after a crash there is the old one or the new one.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """
    with inside(root, path) as (folder, name):
        _replace(folder, name, data)
        os.fsync(folder)


@contextmanager
def locked(root: Path, path: str) -> Iterator[None]:
    """Keep others that do the same out of the folder of *path*, where the file system has locks.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """
    with inside(root, path) as (folder, _):
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield


def _replace(folder: int, name: str, data: bytes) -> None:
    temporary = f".{name}.new"
    remove(folder, temporary)  # of a process that was killed
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


def remove(folder: int, name: str) -> None:
    """Remove a file if it is there.

    Raises:
        OSError: the file system refuses.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def inside(root: Path, path: str, *, make: bool = True) -> Iterator[tuple[int, str]]:
    """Open the folder of *path* below *root* and yield it, with the file's name.

    Args:
        root: folder that exists.
        path: below it.
        make: whether to make what is missing of the folder; else that is an OSError.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """
    folder, name = open_folder(root, path, make=make)
    try:
        yield folder, name
    finally:
        os.close(folder)


def open_folder(root: Path, path: str, *, make: bool = True) -> tuple[int, str]:
    """Open the folder of *path* as :func:`inside` does; return it and the file's name.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """
    *folders, name = _parts(path)
    return _descend(root, folders, make), name


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH,
            "The path must lead to a file below the volume's root: leave out . and .. in it.",
        )
    if any(len(os.fsencode(part)) > MAX_PART for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH, f"A part of the path is longer than {MAX_PART} bytes: shorten it."
        )
    return parts


def _descend(root: Path, folders: list[str], make: bool) -> int:
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in folders:
        try:
            below = _enter(here, name, make)
        finally:
            os.close(here)
        here = below
    return here


def _enter(folder: int, name: str, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # another run of the same moment was faster
        os.mkdir(name, 0o755, dir_fd=folder)
        os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)
