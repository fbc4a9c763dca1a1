"""Where the bytes go. A file gets its name only when it is complete and on the disk."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from download_worker.errors import DownloadError, Reason

MAX_PART: Final = 255
"""Bytes of one part of a path, by the usual file systems."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Sink(Protocol):
    """Takes the bytes of one attempt."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def commit(self) -> None:
        """Keep what was written."""

    def abandon(self) -> None:
        """Forget what was written; nothing happens after :meth:`commit`."""


class Nowhere:
    """Keeps nothing."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def commit(self) -> None:
        """Keep nothing."""

    def abandon(self) -> None:
        """Keep nothing."""


class File:
    """A file below *root*, written under another name until it is complete.

    No part of the path is followed where it is a symbolic link, so that nothing that lies on a
    shared volume leads out of it.

    Args:
        root: folder that exists.
        path: below it, with ``/`` between the parts; missing folders are made.
        owner: whose attempt this is; what an earlier attempt of the same owner left behind in the
            folder is removed, so that killed attempts do not fill the volume.

    Raises:
        DownloadError: the path is not one below *root*.
        OSError: the file system refuses.
    """

    def __init__(self, root: Path, path: str, owner: str) -> None:
        *folders, self._name = _parts(path)
        self._temporary = f".{owner}.{secrets.token_hex(8)}.part"
        self._folder = _descend(root, folders)
        try:
            _remove_leftovers(self._folder, owner)
            self._file = os.open(self._temporary, _FILE, 0o644, dir_fd=self._folder)
        except OSError:
            os.close(self._folder)
            raise
        self._open = True

    def write(self, chunk: bytes) -> None:
        """Append *chunk*, all of it: one write may take less than it is given."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Bring the bytes to the disk, then the name: after a crash there is all or nothing."""
        os.fsync(self._file)
        os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)
        self._close()

    def abandon(self) -> None:
        """Remove what was written."""
        if self._open:
            with suppress(FileNotFoundError):  # a later attempt has removed it
                os.unlink(self._temporary, dir_fd=self._folder)
            self._close()

    def _close(self) -> None:
        self._open = False
        os.close(self._file)
        os.close(self._folder)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH,
            "The path must lead to a file below the volume's root: leave out . and .. in it.",
        )
    if any(len(part.encode()) > MAX_PART for part in parts):
        raise DownloadError(
            Reason.INVALID_PATH, f"A part of the path is longer than {MAX_PART} bytes: shorten it."
        )
    return parts


def _remove_leftovers(folder: int, owner: str) -> None:
    """An attempt that is still at it, on a node thought lost, then fails instead of publishing."""
    leftover = re.compile(rf"\.{re.escape(owner)}\.[0-9a-f]{{16}}\.part")
    for name in filter(leftover.fullmatch, os.listdir(folder)):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _descend(root: Path, folders: list[str]) -> int:
    """Return the open folder, made where it is missing, by way of real folders only."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in folders:
        try:
            below = _enter(here, name)
        finally:
            os.close(here)
        here = below
    return here


def _enter(folder: int, name: str) -> int:
    with suppress(FileNotFoundError):
        return os.open(name, _FOLDER, dir_fd=folder)
    with suppress(FileExistsError):  # another run of the same moment was faster
        os.mkdir(name, 0o755, dir_fd=folder)
        os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)
