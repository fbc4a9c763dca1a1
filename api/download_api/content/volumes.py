"""Files on the claims that are mounted into the API's own container."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from download_api.content.location import Place, gone, no_content
from download_api.problems import ProblemError
from download_api.settings import MountedClaim
from download_schedule.attempt.folders import open_folder

CHUNK_BYTES: Final = 256 * 1024

_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe that lies there must not keep us waiting for its writer."""
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)


class Volumes:
    """The claims that can be read, each by its namespace and name."""

    def __init__(self, mounted: Iterable[MountedClaim]) -> None:
        self._folders = {(claim.namespace, claim.name): claim.folder for claim in mounted}

    @asynccontextmanager
    async def open(self, namespace: str, place: Place, size: int) -> AsyncIterator[int]:
        """Open a file for reading; yields its descriptor.

        Args:
            namespace: of the schedule, and so of the claim.
            place: where the file is.
            size: bytes that it must have.

        Raises:
            ProblemError: 404, the claim is not mounted here; 410, the file is not there any more;
                503, the file system refuses.
        """
        folder = self._folders.get((namespace, place.store))
        if folder is None:
            raise no_content(
                f"The API cannot read the claim {place.store} of the namespace {namespace}: have "
                "whoever runs it name it in api.content.volumes, or mount it into a Pod of yours."
            )
        file = await asyncio.to_thread(_opened, folder, place.path, size)
        try:
            yield file
        finally:
            os.close(file)


async def read(file: int, wanted: range) -> AsyncIterator[bytes]:
    """Yield these bytes of a file.

    Raises:
        OSError: the file system refuses, or the file has become shorter.
    """
    for start in range(wanted.start, wanted.stop, CHUNK_BYTES):
        length = min(CHUNK_BYTES, wanted.stop - start)
        chunk = await asyncio.to_thread(os.pread, file, length, start)
        if len(chunk) < length:
            raise OSError("a file was shortened while it was sent")
        yield chunk


def _opened(folder: Path, path: str, size: int) -> int:
    if not os.path.isdir(folder):  # noqa: PTH112 - Path's own raises where a mount is stale
        raise _unreadable("it is not mounted")
    try:
        file = open_beneath(folder, path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise _removed() from error
        raise _unreadable(error.strerror or "no reason given") from error
    found = os.fstat(file)
    if stat.S_ISREG(found.st_mode) and found.st_size == size:
        return file
    os.close(file)
    if not stat.S_ISREG(found.st_mode):
        raise _removed()
    raise gone(
        f"The file has {found.st_size} bytes now and had {size}: it was replaced; ask for a later "
        "run."
    )


def open_beneath(folder: Path, path: str) -> int:
    """Open a file below *folder* for reading, and return its descriptor.

    No part of *path* is followed where it is a symbolic link, so that nothing that lies on a shared
    volume leads out of it.

    Raises:
        OSError: it cannot be opened.
    """
    *folders, name = path.split("/")
    parent = open_folder(folder, folders)
    try:
        return os.open(name, _FILE, dir_fd=parent)
    finally:
        os.close(parent)


def _removed() -> ProblemError:
    return gone("The file is not there any more (keep_last, or by hand): ask for a later run.")


def _unreadable(why: str) -> ProblemError:
    sentence = f"The volume cannot be read at the moment ({why}); try again later."
    return ProblemError(503, "cluster_unavailable", sentence, {"Retry-After": "5"})
