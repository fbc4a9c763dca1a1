"""One entry of a manifest: a file that the schedule saved. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from download_worker.http.validators import is_weak_date

_SHA256: Final = re.compile("[0-9a-f]{64}")
_NUMBERS: Final = frozenset({"inode", "modified"})
_OPTIONAL: Final = frozenset({"etag", "last_modified", "run"})


class SavedFile(NamedTuple):
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
    run: str | None = None
    """UID of the run that saved it, if that waited for a change."""

    @property
    def identity(self) -> tuple[int, int]:
        """Inode and time of modification, which together tell one file from another."""
        return self.inode, self.modified


def to_item(saved: SavedFile) -> dict[str, Any]:
    """Return what the manifest says about a file. Versions before `run` do not know that member."""
    item = saved._asdict()
    return item if saved.run else {name: item[name] for name in item if name != "run"}


def is_author(files: list[SavedFile], path: str, modified: int) -> bool:
    """Return whether the schedule that saved *files* saved what is at *path*.

    The inode does not matter here. A claim that was copied with all times has other ones, and so
    has each mount of some network file systems.
    """
    return any((file.path, file.modified) == (path, modified) for file in files)


def without_details(saved: SavedFile) -> SavedFile:
    """Drop what only matters for the last file, so that thousands fit into the manifest."""
    return saved._replace(source="", etag=None, last_modified=None, run=None)


def read_validators(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return ETag and Last-Modified, each only if it can be read back and is of use."""
    etag = _printable(headers.get("etag"))
    modified = _printable(headers.get("last-modified"))
    return etag, None if modified and not etag and is_weak_date(headers) else modified


def _printable(text: str | None) -> str | None:
    return text if text and text.isprintable() else None


def parse_file(item: Any) -> SavedFile:
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
