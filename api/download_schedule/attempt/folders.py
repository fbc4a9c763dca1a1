"""Folders on a shared volume: which one is a schedule's own, and how to open one safely.

The worker writes files on a claim and the API reads them. Other users of the claim can put a link
anywhere, so both descend by this one rule: no symbolic link is followed, so nothing that lies on a
volume leads out of it.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def own_folder(namespace: str, name: str) -> str:
    """Return the path of a schedule's own folder on a claim, with a slash at its end.

    Neither name can have a slash in it, so no schedule's folder lies in another's.
    """
    return f"{namespace}/{name}/"


def is_confined(template: str, namespace: str, name: str) -> bool:
    """Return whether every path of *template* is in the schedule's own folder.

    Args:
        template: without ``.`` and ``..`` as parts, also after it is filled in.
        namespace: of the schedule.
        name: of the schedule.
    """
    path = template.replace("{namespace}", namespace).replace("{name}", name)
    return path.startswith(own_folder(namespace, name))


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
