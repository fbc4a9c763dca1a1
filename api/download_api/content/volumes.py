"""Files on the claims that are mounted into the API's own container."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from download_api.content.location import FileLocation, content_gone, no_content
from download_api.problems.problem import ProblemError, cluster_unavailable
from download_api.settings import MountedClaim
from download_schedule.attempt.folders import open_folder

CHUNK_BYTES: Final = 256 * 1024

_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Non-blocking, because opening a named pipe would wait for its writer."""
_MISSING: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
"""Errors of paths that do not lead to a file of ours."""


class MountedVolumes:
    """The claims whose files can be read."""

    def __init__(self, claims: Iterable[MountedClaim]) -> None:
        self._folders = {(claim.namespace, claim.name): claim.folder for claim in claims}

    @asynccontextmanager
    async def open(self, namespace: str, location: FileLocation, size: int) -> AsyncIterator[int]:
        """Open a file for reading; yields its descriptor.

        Args:
            namespace: namespace of the schedule, and so of the claim.
            location: where the file is.
            size: bytes that it must have.

        Raises:
            ProblemError: 404, the claim is not mounted here; 410, the file no longer exists; 503,
                the file system refuses.
        """
        folder = self._folders.get((namespace, location.container))
        if folder is None:
            raise no_content(
                f"The API cannot read the claim {location.container} of the namespace {namespace}; "
                "ask its administrator to add the claim to api.content.volumes, or mount it into a "
                "Pod of yours."
            )
        file = await asyncio.to_thread(_open_checked, folder, location.path, size)
        try:
            yield file
        finally:
            os.close(file)


async def read_chunks(file: int, selected: range) -> AsyncIterator[bytes]:
    """Yield the selected bytes of a file.

    Raises:
        OSError: the file system refuses, or the file has become shorter.
    """
    for start in range(selected.start, selected.stop, CHUNK_BYTES):
        length = min(CHUNK_BYTES, selected.stop - start)
        chunk = await asyncio.to_thread(os.pread, file, length, start)
        if len(chunk) < length:
            raise OSError("the file was truncated while it was sent")
        yield chunk


def open_beneath(folder: Path, path: str) -> int:
    """Open a file below *folder* for reading, and return its descriptor.

    Symbolic links are not followed in any part of *path*, so that nothing on a shared volume leads
    out of it.

    Raises:
        OSError: the file cannot be opened.
    """
    *folders, name = path.split("/")
    parent = open_folder(folder, folders)
    try:
        return os.open(name, _OPEN_FILE, dir_fd=parent)
    finally:
        os.close(parent)


def _open_checked(folder: Path, path: str, size: int) -> int:
    """Open a regular file of that size, and return its descriptor."""
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises if a mount is stale
        raise _unreadable("it is not mounted")
    try:
        file = open_beneath(folder, path)
    except OSError as error:
        if error.errno in _MISSING:
            raise _file_gone() from error
        raise _unreadable(error.strerror or "no reason given") from error
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_size == size:
        return file
    os.close(file)
    if not stat.S_ISREG(status.st_mode):
        raise _file_gone()
    raise content_gone(
        f"The file has {status.st_size} bytes now and had {size}, so it was replaced; choose a "
        "later run."
    )


def _file_gone() -> ProblemError:
    message = "The file was removed (by keep_last, or by hand); choose a later run."
    return content_gone(message)


def _unreadable(reason: str) -> ProblemError:
    return cluster_unavailable(f"The volume cannot be read at the moment ({reason}); try later.")
