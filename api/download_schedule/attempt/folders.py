"""Open a folder on a shared volume without following a symbolic link.

The worker writes files on a claim and the API reads them. Other users of the claim can put a link
anywhere, so both descend by this one rule: nothing that lies on a volume leads out of it.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_folder(root: Path, names: Iterable[str], *, create: bool = False) -> int:
    """Open the folder that *names* lead to below *root*, and return its descriptor.

    Args:
        root: folder that exists; it may be a link.
        names: one folder's name each, without a slash.
        create: whether to create the folders that are missing.

    Raises:
        OSError: a folder is missing, or is something else, such as a link.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        try:
            below = _enter(folder, name, create)
        finally:
            os.close(folder)
        folder = below
    return folder


def _enter(folder: int, name: str, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):  # another run created it at the same moment
        os.mkdir(name, 0o755, dir_fd=folder)
        os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)
