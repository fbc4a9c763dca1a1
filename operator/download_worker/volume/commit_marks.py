"""Marks by which a schedule knows a file as its own before the manifest has an entry for it.

A file gets its name a moment before it gets its entry. In that moment another run of the schedule,
or the next one if this one dies, would take it for somebody else's, which is not replaced. So a run
first creates an empty file, the mark, whose name has the inode and the time of modification of the
file that it commits. The mark is removed once the manifest is written.

A mark is not synced. After a crash of the machine in that moment, some file systems have the file
without its mark.
"""

import os
import time
from contextlib import suppress

from download_worker.volume.partial_files import ABANDONED_SECONDS
from download_worker.volume.safe_paths import NEW_FILE, remove


def add_mark(folder: int, owner: str, file: int) -> None:
    """Mark the open *file*, which must not be written to any more.

    Args:
        folder: descriptor of the manifests' folder.
        owner: namespace and name of the schedule, with a dot between.
        file: descriptor of the file.

    Raises:
        OSError: the file system refuses.
    """
    status = os.fstat(file)
    with suppress(FileExistsError):
        name = _name(owner, status.st_ino, status.st_mtime_ns)
        os.close(os.open(name, NEW_FILE, 0o644, dir_fd=folder))


def has_mark(folder: int, owner: str, inode: int, modified: int) -> bool:
    """Return whether a run of *owner* was about to commit this file, or has committed it."""
    try:
        os.stat(_name(owner, inode, modified), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove_marks(folder: int, owner: str, inode: int, modified: int) -> None:
    """Remove the mark of a file that is recorded, and those that dead runs left a week ago.

    Raises:
        OSError: the file system refuses.
    """
    remove(folder, _name(owner, inode, modified))
    for name in os.listdir(folder):
        if _is_mark(name, owner):
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if time.time() - status.st_mtime > ABANDONED_SECONDS:
                    remove(folder, name)


def _name(owner: str, inode: int, modified: int) -> str:
    return f".{owner}.{inode:x}.{modified:x}.commit"


def _is_mark(name: str, owner: str) -> bool:
    """Return whether it is a mark of exactly this owner, and not of one whose name is longer."""
    prefix = f".{owner}."
    is_of_owner = name.startswith(prefix) and name[len(prefix) :].count(".") == 2
    return is_of_owner and name.endswith(".commit")
