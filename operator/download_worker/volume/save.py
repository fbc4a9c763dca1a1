"""Download to a volume: resume, ask only for what is new, save, record."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from download_schedule.attempt.result import Result
from download_schedule.attempt.task import Method
from download_worker.download import download
from download_worker.download_request import Convert, DownloadRequest
from download_worker.errors import DownloadError, Reason
from download_worker.http.curl import Progress, StopRequested
from download_worker.http.messages import NOT_MODIFIED, Response
from download_worker.http.validators import PreviousFile, RemoteVersion, remote_version
from download_worker.sink import Sink
from download_worker.volume.manifest import FOLDER, VolumeManifest
from download_worker.volume.output_file import OutputFile
from download_worker.volume.partial_files import PartialFile, PartialFiles
from download_worker.volume.saved_file import SavedFile

log = logging.getLogger(__name__)

MAX_PREFIX_BYTES: Final = 200
_KEPT_BYTES: Final = 160
_HASH_DIGITS: Final = 32


class VolumeTarget(NamedTuple):
    """Where on a volume the file goes, and what is recorded about it."""

    root: Path
    """Folder that exists."""
    file_prefix: str
    """Names the manifest and the partial files; see :func:`file_prefix`."""
    path: Callable[[Response], str]
    """Returns the file's path below the root."""
    location: Callable[[str], str]
    """Returns what the result calls that path."""
    source: str
    """What the file is made from: the URL, and the format if it is not raw."""
    hidden_folder: str = FOLDER
    """Folder for partial files; empty: the root itself."""
    has_manifest: bool = True
    overwrite: bool = False
    """Replace a file that has no entry in a manifest."""
    only_if_changed: bool = False
    awaits_change_for: str | None = None
    """UID of the run, if it waits for another file than the last one. One that it saved itself, in
    an earlier attempt, is what it waits for."""
    keep_last: int | None = None


def file_prefix(name: str) -> str:
    """Return *name*, shortened with a hash if it has more than 200 bytes, or looks shortened."""
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_PREFIX_BYTES and not _looks_shortened(encoded):
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    return f"{encoded[:_KEPT_BYTES].decode(errors='ignore')}-{digest}"


def _looks_shortened(name: bytes) -> bool:
    """Return whether it may be the prefix of a longer name, and a schedule's own name as well."""
    return len(name) == _KEPT_BYTES + 1 + _HASH_DIGITS and name[_KEPT_BYTES:][:1] == b"-"


def save_to_volume(
    request: DownloadRequest,
    target: VolumeTarget,
    *,
    progress: Progress,
    stopped: StopRequested,
    convert: Convert | None = None,
    report: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Download a file to *target*; the arguments are those of :func:`download`.

    Args:
        report: called with the result once the file is safe, before anything is recorded or tidied,
            because that may have to wait for others.

    Raises:
        DownloadError: the attempt failed.
        OSError: the file system refuses.
    """
    manifest = VolumeManifest.load(target.root, target.file_prefix) if target.has_manifest else None
    last = _last_file(manifest, target, request, convert) if manifest else None
    partial_files = PartialFiles(target.root, target.hidden_folder, target.file_prefix)
    saved_files: list[SavedFile] = []
    can_resume = not convert and not request.compressed and request.http.method is Method.GET
    resume_point = partial_files.find_resume_point(request.http.url if can_resume else "", stopped)

    def open_sink(response: Response, resuming: bool) -> Sink:
        path = target.path(response)
        if manifest:
            manifest.check_path(path, overwrite=target.overwrite)
        if resuming and resume_point:
            log.info("resuming after %s bytes", resume_point.size)
            partial = resume_point
            version: RemoteVersion | None = resume_point.version
        else:
            partial = partial_files.create()
            version = remote_version(request.http, response) if can_resume else None
        return _TargetFile(partial, target, path, version, manifest, response, saved_files)

    result, response = download(
        request,
        open_sink,
        progress=progress,
        stopped=stopped,
        convert=convert,
        previous=_previous_file(last, target) if last else None,
        resume_point=resume_point,
    )
    is_late = bool(result.unchanged and last and target.awaits_change_for not in (None, last.run))
    if not is_late:
        report(result)
    if manifest and last and result.unchanged:
        headers = None if response.status == NOT_MODIFIED else response.headers
        manifest.record_unchanged(last, headers, target.keep_last, stopped)
    elif manifest and saved_files:
        manifest.record(saved_files[0], target.keep_last, stopped)
    if is_late:
        raise DownloadError(
            Reason.NOT_YET, "The server still has the file that was kept last.", response.status
        )
    return result


def _last_file(
    manifest: VolumeManifest,
    target: VolumeTarget,
    request: DownloadRequest,
    convert: Convert | None,
) -> SavedFile | None:
    """Return the last file, if it is enough for the server to say that nothing has changed."""
    last = manifest.last_file(target.source) if target.only_if_changed else None
    if last and convert is None and request.sha256 not in (None, last.sha256):
        return None  # verify.sha256 asks for another file now
    return last


def _previous_file(last: SavedFile, target: VolumeTarget) -> PreviousFile:
    location = target.location(last.path)
    return PreviousFile(last.sha256, last.etag, last.last_modified, location)


class _TargetFile(OutputFile):
    """An output file that the schedule's manifest watches over, and what to record of it."""

    def __init__(
        self,
        partial: PartialFile,
        target: VolumeTarget,
        path: str,
        version: RemoteVersion | None,
        manifest: VolumeManifest | None,
        response: Response,
        saved_files: list[SavedFile],
    ) -> None:
        super().__init__(partial, target.root, path, version)
        self._file = partial.file
        self._target = target
        self._manifest = manifest
        self._response = response
        self._saved_files = saved_files

    def check_path(self) -> None:
        overwrite = self._target.overwrite
        if self._manifest:
            self._manifest.check_path(self.path, overwrite=overwrite)
        if self._manifest and not overwrite:
            self._manifest.announce(self._file)

    def commit(self, sha256: str) -> str:
        super().commit(sha256)
        if self._manifest:
            self._describe(self._manifest, sha256)
        return self._target.location(self.path)

    def _describe(self, manifest: VolumeManifest, sha256: str) -> None:
        headers = self._response.headers
        try:
            saved = manifest.describe(self.path, self.inode, self._target.source, sha256, headers)
        except OSError as error:
            log.warning("%s is gone already: %s", self.path, error)
        else:
            self._saved_files.append(saved._replace(run=self._target.awaits_change_for))
