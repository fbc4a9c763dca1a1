"""Keep a file on a file system, and remember it there."""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from download_schedule.attempt.result import Result
from download_worker.download import Order, Surroundings, download
from download_worker.http.messages import Response
from download_worker.http.validators import Known, origin_of
from download_worker.volume.manifest import FOLDER, Memory
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Leftover, Parts
from download_worker.volume.safe_paths import Sink

log = logging.getLogger(__name__)

MAX_OWNER: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes, and what is remembered of it."""

    root: Path
    """Folder that exists."""
    owner: str
    """Whose parts and memory these are; see :func:`owner_name`."""
    path: Callable[[Response], str]
    """Says what the file will be called, below the root."""
    source: str
    """What the file is made from; another source is another file."""
    hidden: str = FOLDER
    """Folder of the parts; empty: the root itself."""
    only_if_changed: bool = False
    remember: bool = True
    keep_last: int | None = None


def owner_name(whole: str) -> str:
    """Return a name for somebody's own files, of at most 200 bytes, that starts as *whole* does."""
    encoded = os.fsencode(whole)
    if len(encoded) <= MAX_OWNER:
        return whole
    return f"{encoded[:160].decode(errors='ignore')}-{hashlib.sha256(encoded).hexdigest()[:32]}"


def keep(order: Order, place: Place, around: Surroundings) -> tuple[Result, str]:
    """Download to *place*; return the result and where in it the file is.

    Args:
        order: what to fetch.
        place: where to.
        around: everything else; its sink and leftover are chosen here.

    Raises:
        DownloadError: the attempt failed.
        OSError: the file system refuses.
    """
    memory = Memory.read(place.root, place.owner) if place.remember else None
    last = memory.latest(place.source) if memory and place.only_if_changed else None
    if last and around.convert is None and order.sha256 not in (None, last.sha256):
        last = None  # another file is wanted now
    known = Known(last.sha256, last.etag, last.last_modified) if last else None
    plain = around.convert is None and not order.compressed
    resumable = plain and order.request.method == "GET"
    parts = Parts(place.root, place.hidden, place.owner)
    opened: list[tuple[File, str, Response]] = []

    def open_sink(response: Response, leftover: Leftover | None) -> Sink:
        path = place.path(response)
        check = partial(memory.check_free, path) if memory else None
        if check:
            check()
        if leftover:
            log.info("going on after %s bytes", leftover.size)
            known = leftover.origin, leftover.size, leftover.digest.hexdigest()
            file = File(leftover.part, place.root, path, *known, check=check)
        else:
            origin = origin_of(order.request, response) if resumable else None
            file = File(parts.new(), place.root, path, origin, check=check)
        opened.append((file, path, response))
        return file

    leftover = parts.leftover(order.request.url if resumable else "", around.stopped)
    result = download(
        dataclasses.replace(order, known=known),
        dataclasses.replace(around, open_sink=open_sink, leftover=leftover),
    )
    if memory and last and result.unchanged:
        memory.renew(last, opened[-1][2].headers if opened else None, place.keep_last)
        return result, last.path
    file, path, response = opened[-1]
    if memory:
        _remember(memory, place, file, path, result.sha256 or "", response)
    return result, path


def _remember(
    memory: Memory, place: Place, file: File, path: str, sha256: str, response: Response
) -> None:
    try:
        written = memory.note(path, file.inode, place.source, sha256, response.headers)
    except OSError as error:
        log.warning("%s is gone already: %s", path, error)
    else:
        memory.add(written, place.keep_last)
