"""The manifest of a schedule: which files on the volume it saved, and what the last one was.

There is one small file for each schedule, ``.download-operator/{namespace}.{name}.json``, written
after a commit. Everybody who can write to the volume can write it too. So it is read like any other
input, and a file is only removed while it is still the very file that the schedule saved.
"""

import errno
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from download_schedule.attempt.task import MAX_KEEP_LAST
from download_worker.errors import DownloadError, Reason
from download_worker.volume.commit_marks import add_mark, has_mark, remove_marks
from download_worker.volume.safe_paths import (
    folder_lock,
    is_replaceable,
    parent_folder,
    replace_file,
)
from download_worker.volume.saved_file import (
    SavedFile,
    is_author,
    parse_file,
    read_validators,
    to_item,
    without_details,
)

log = logging.getLogger(__name__)

FOLDER: Final = ".download-operator"
"""Folder on the volume with manifests and partial files."""
MAX_FILES: Final = MAX_KEEP_LAST
"""Files in a manifest; the oldest are forgotten first."""
MAX_BYTES: Final = 16 * 1024**2
"""Bytes of a manifest that are read."""

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that do not wait for a writer if the file is a named pipe."""


class VolumeManifest:
    """The files that one schedule saved, oldest first.

    Args:
        root: where the volume is mounted.
        owner: namespace and name of the schedule, with a dot between.
    """

    def __init__(self, root: Path, owner: str) -> None:
        self._root = root
        self._owner = owner
        self.files: list[SavedFile] = []

    @classmethod
    def load(cls, root: Path, owner: str) -> "VolumeManifest":
        """Read the manifest; one that is missing or unreadable is empty."""
        manifest = cls(root, owner)
        try:
            with parent_folder(root, manifest.path) as (folder, name):
                handle = os.open(name, _READ, dir_fd=folder)
            with os.fdopen(handle, "rb") as file:
                manifest.files = [parse_file(item) for item in json.loads(file.read(MAX_BYTES))]
        except FileNotFoundError:
            pass
        except (
            AttributeError,
            DownloadError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            log.warning("%s cannot be read (%s): starting a new one", manifest.path, error)
        return manifest

    @property
    def path(self) -> str:
        """Path of the manifest below the root."""
        return f"{FOLDER}/{self._owner}.json"

    def last_file(self, source: str) -> SavedFile | None:
        """Return the last file if it was made from *source* and is still there unchanged."""
        last = self.files[-1] if self.files else None
        return last if last and last.source == source and self._is_intact(last) else None

    def record(
        self,
        saved: SavedFile,
        keep_last: int | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add *saved*, and remove the oldest files beyond *keep_last* (None: remove none).

        Errors are logged and not raised, because the file itself is safe.
        """
        try:
            with folder_lock(self._root, self.path, stopped):
                if self._is_intact(saved):  # otherwise another run replaced it, and records its own
                    # Another run may have recorded a file since this one loaded the manifest.
                    self.files = self._load_again()
                    self._record(saved, keep_last)
                with parent_folder(self._root, self.path) as (folder, _):
                    remove_marks(folder, self._owner, *saved.identity)
        except (OSError, DownloadError) as error:
            log.warning("the file is not recorded, or older ones are not removed: %s", error)

    def record_unchanged(
        self,
        last: SavedFile,
        headers: Mapping[str, str] | None,
        keep_last: int | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Record what the server says now about the *last* file, which is still the same.

        Args:
            last: as it was recorded before.
            headers: of the response that sent it again; None: the server did not send it.
            keep_last: as for :meth:`record`.
            stopped: as for :meth:`record`.
        """
        if headers is not None:
            etag, modified = read_validators(headers)
            last = last._replace(etag=etag, last_modified=modified)
        self.record(last, keep_last, stopped)

    def check_path(self, path: str, *, overwrite: bool = False) -> None:
        """Check that *path* is free, or names a file of this schedule.

        Args:
            path: below the root.
            overwrite: whether it may also name a file that no schedule saved.

        Raises:
            DownloadError: it names somebody else's file, or the path is reserved.
            OSError: the file system refuses.
        """
        if path.partition("/")[0].casefold() == FOLDER:
            raise DownloadError(
                Reason.INVALID_PATH,
                f"The path leads into {FOLDER}, which is reserved: choose another path.",
            )
        if not (status := self._find_foreign(path)):
            return
        for owner in self._other_owners():
            if is_author(self.load(self._root, owner).files, path, status.st_mtime_ns):
                raise DownloadError(
                    Reason.UNSAFE_PATH,
                    f"{path} is a file of the schedule {owner}: choose another path, "
                    "for example with {namespace} and {name} in it.",
                )
        if is_replaceable(status.st_mode) and not overwrite:
            raise DownloadError(
                Reason.FILE_EXISTS,
                f"{path} is a file that this schedule did not write: move it away, choose another "
                "path, or write overwrite: true in destination.volume to replace it.",
            )

    def announce(self, file: int) -> None:
        """Note that the open *file* is about to be committed, so that it counts as this schedule's.

        Raises:
            OSError: the file system refuses.
        """
        with parent_folder(self._root, self.path) as (folder, _):
            add_mark(folder, self._owner, file)

    def describe(
        self, path: str, inode: int, source: str, sha256: str, headers: Mapping[str, str]
    ) -> SavedFile:
        """Return the entry for a file that has just been committed.

        Raises:
            OSError: another run has replaced or removed the file already.
        """
        status = self._stat(path)
        if status.st_ino != inode:
            raise FileNotFoundError(errno.ENOENT, "another run has replaced it", path)
        return SavedFile(path, *_identity(status), source, sha256, *read_validators(headers))

    def _find_foreign(self, path: str) -> os.stat_result | None:
        """Return the status of what is at *path* if this schedule did not save it."""
        with suppress(FileNotFoundError):
            while not self._is_own(path, status := self._stat(path)):
                if _identity(self._stat(path)) == _identity(status):
                    return status
                # Another run of this schedule has replaced the file in the meantime.
        return None

    def _is_own(self, path: str, status: os.stat_result) -> bool:
        if is_author(self.files, path, status.st_mtime_ns):
            return True
        # In this order: a mark is removed after the entry is written.
        with parent_folder(self._root, self.path) as (folder, _):
            if has_mark(folder, self._owner, *_identity(status)):
                return True
        return is_author(self._load_again(), path, status.st_mtime_ns)

    def _load_again(self) -> list[SavedFile]:
        return self.load(self._root, self._owner).files

    def _record(self, saved: SavedFile, keep_last: int | None) -> None:
        if any((f.path, f.identity) == (saved.path, saved.identity) for f in self.files[:-1]):
            return  # the file is not new, and another run has saved a later one
        older = [without_details(file) for file in self.files if file.path != saved.path]
        excess = max(len(older) + 1 - (keep_last or MAX_FILES), 0)
        is_recorded = bool(self.files) and self.files[-1] == saved
        if is_recorded and not excess:
            return
        not_removed = [file for file in older[:excess] if keep_last and not self._remove(file)]
        self.files = [*not_removed, *older[excess:], saved][-MAX_FILES:]
        document = json.dumps([to_item(file) for file in self.files])
        replace_file(self._root, self.path, document.encode())

    def _other_owners(self) -> list[str]:
        with parent_folder(self._root, self.path) as (folder, own), os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name != own]
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def _stat(self, path: str) -> os.stat_result:
        """Return the status of what is at *path*.

        Raises:
            OSError: nothing is there.
        """
        with parent_folder(self._root, path, create=False) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def _is_intact(self, saved: SavedFile) -> bool:
        """Return whether the file is still the one that was saved."""
        with suppress(OSError, DownloadError):
            return _identity(self._stat(saved.path)) == saved.identity
        return False

    def _remove(self, saved: SavedFile) -> bool:
        """Remove a file beyond keepLast; return whether it is gone."""
        if not self._is_intact(saved):
            return True
        try:
            with parent_folder(self._root, saved.path, create=False) as (folder, name):
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            log.warning("%s, beyond keepLast, cannot be removed: %s", saved.path, error)
            return False
        log.info("removed %s, beyond keepLast", saved.path)
        return True


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns
