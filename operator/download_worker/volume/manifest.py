"""The manifest of a schedule: which files on the volume it saved, and what the last one was.

There is one small file for each schedule, ``.download-operator/{namespace}.{name}.json``, written
after a commit. Everybody who can write to the volume can write it too. So it is read like any other
input, and a file is only removed while it is still the very file that the schedule saved.
"""

import errno
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from download_schedule.attempt.task import MAX_KEEP_LAST
from download_worker.errors import DownloadError, Reason
from download_worker.http.validators import is_weak_date
from download_worker.volume.safe_paths import folder_lock, parent_folder, replace_file

log = logging.getLogger(__name__)

FOLDER: Final = ".download-operator"
"""Folder on the volume with manifests and partial files."""
MAX_FILES: Final = MAX_KEEP_LAST
"""Files in a manifest; the oldest are forgotten first."""
MAX_BYTES: Final = 16 * 1024**2
"""Bytes of a manifest that are read."""

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that do not wait for a writer if the file is a named pipe."""
_SHA256: Final = re.compile("[0-9a-f]{64}")
_NUMBERS: Final = frozenset({"inode", "modified"})
_OPTIONAL: Final = frozenset({"etag", "last_modified"})


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that the schedule saved."""

    path: str
    inode: int
    modified: int
    """Nanoseconds since 1970, as the file system has it."""
    source: str
    """What the file was made from: its URL, and its format if that is not raw."""
    sha256: str
    etag: str | None = None
    last_modified: str | None = None


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
                manifest.files = [_parse_file(item) for item in json.loads(file.read(MAX_BYTES))]
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
                if not self._is_intact(saved):
                    return  # another run replaced it, and records its own
                # Another run may have recorded a file since this one loaded the manifest.
                self.files = VolumeManifest.load(self._root, self._owner).files
                self._record(saved, keep_last)
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
            etag, modified = _validators(headers)
            last = replace(last, etag=etag, last_modified=modified)
        self.record(last, keep_last, stopped)

    def check_path(self, path: str) -> None:
        """Check that *path* is free, or names a file of this schedule.

        Raises:
            DownloadError: another schedule saved the file, or the path is reserved.
            OSError: the file system refuses.
        """
        if path.partition("/")[0].casefold() == FOLDER:
            raise DownloadError(
                Reason.INVALID_PATH,
                f"The path leads into {FOLDER}, which is reserved: choose another path.",
            )
        try:
            inode_and_time = self._stat(path)
        except FileNotFoundError:
            return
        if _has_file(self.files, path, inode_and_time):
            return
        for owner in self._other_owners():
            if _has_file(VolumeManifest.load(self._root, owner).files, path, inode_and_time):
                raise DownloadError(
                    Reason.UNSAFE_PATH,
                    f"{path} is a file of the schedule {owner}: choose another path, "
                    "for example with {namespace} and {name} in it.",
                )

    def describe(
        self, path: str, inode: int, source: str, sha256: str, headers: Mapping[str, str]
    ) -> SavedFile:
        """Return the entry for a file that has just been committed.

        Raises:
            OSError: another run has replaced or removed the file already.
        """
        current_inode, modified = self._stat(path)
        if current_inode != inode:
            raise FileNotFoundError(errno.ENOENT, "another run has replaced it", path)
        return SavedFile(path, inode, modified, source, sha256, *_validators(headers))

    def _record(self, saved: SavedFile, keep_last: int | None) -> None:
        if _has_file(self.files[:-1], saved.path, (saved.inode, saved.modified)):
            return  # the file is not new, and another run has saved a later one
        older = [_without_details(file) for file in self.files if file.path != saved.path]
        excess = max(len(older) + 1 - (keep_last or MAX_FILES), 0)
        is_recorded = bool(self.files) and self.files[-1] == saved
        if is_recorded and not excess:
            return
        not_removed = [file for file in older[:excess] if keep_last and not self._remove(file)]
        self.files = [*not_removed, *older[excess:], saved][-MAX_FILES:]
        document = json.dumps([asdict(file) for file in self.files])
        replace_file(self._root, self.path, document.encode())

    def _other_owners(self) -> list[str]:
        with parent_folder(self._root, self.path) as (folder, own), os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name != own]
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def _stat(self, path: str) -> tuple[int, int]:
        """Return inode and time of modification, which together tell one file from another.

        Raises:
            OSError: the file is not there.
        """
        with parent_folder(self._root, path, create=False) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return status.st_ino, status.st_mtime_ns

    def _is_intact(self, saved: SavedFile) -> bool:
        """Return whether the file is still the one that was saved."""
        with suppress(OSError, DownloadError):
            return self._stat(saved.path) == (saved.inode, saved.modified)
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


def _has_file(files: list[SavedFile], path: str, inode_and_time: tuple[int, int]) -> bool:
    return any(
        file.path == path and (file.inode, file.modified) == inode_and_time for file in files
    )


def _without_details(saved: SavedFile) -> SavedFile:
    """Drop what only matters for the last file, so that thousands fit into the manifest."""
    return replace(saved, source="", etag=None, last_modified=None)


def _validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return ETag and Last-Modified, each only if it can be read back and is of use."""
    etag = _printable(headers.get("etag"))
    modified = _printable(headers.get("last-modified"))
    return etag, None if modified and not etag and is_weak_date(headers) else modified


def _printable(text: str | None) -> str | None:
    return text if text and text.isprintable() else None


def _parse_file(item: Any) -> SavedFile:
    """Read an entry, whose texts go into paths and headers.

    Raises:
        AttributeError, TypeError, ValueError: it does not describe a file.
    """
    for name, value in item.items():
        if value is None and name in _OPTIONAL:
            continue
        if not isinstance(value, int if name in _NUMBERS else str):
            raise TypeError(name)
        if isinstance(value, str) and not value.isprintable():
            raise ValueError(name)
    saved = SavedFile(**item)
    if not _SHA256.fullmatch(saved.sha256):
        raise ValueError("sha256")
    return saved
