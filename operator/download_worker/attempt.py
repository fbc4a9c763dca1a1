"""One attempt in a Pod: environment in, file and termination message out."""

import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from download_schedule.attempt.folders import own_folder
from download_schedule.attempt.result import (
    EXCLUDED,
    EXIT_DONE,
    EXIT_PERMANENT,
    EXIT_RETRY,
    EXIT_STOPPED,
    Result,
    encode,
)
from download_schedule.attempt.task import Format, Volume
from download_schedule.attempt.variables import DATA_PATH
from download_worker.download import download
from download_worker.download_request import Convert, OpenSink, open_discard_sink
from download_worker.errors import (
    DownloadError,
    Reason,
    SkippedError,
    StoppedError,
    file_system_error,
)
from download_worker.formats.converters import (
    CONTENT_TYPES,
    converted_filename,
    find_converter,
)
from download_worker.http.filenames import choose_filename
from download_worker.http.messages import Response
from download_worker.patience import LookAgain, ask_patiently, never_look_again
from download_worker.progress import ProgressLog
from download_worker.sink import Sink
from download_worker.spec import S3Target, Spec, read_spec
from download_worker.volume.save import VolumeTarget, file_prefix, save_to_volume

log = logging.getLogger(__name__)

TERMINATION_LOG: Final = Path("/dev/termination-log")
"""File from which the kubelet takes the termination message."""


REPORTED_STATUSES: Final = range(100, 600)
"""Statuses that fit into a result; servers make up others, such as 999."""


class StopFlag:
    """Set by SIGTERM, which Kubernetes sends before it kills a container."""

    def __init__(self) -> None:
        self._is_set = False

    def install(self) -> None:
        """Handle SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self._is_set

    def _set(self, *_: object) -> None:
        self._is_set = True


def run(
    environment: Mapping[str, str],
    data: Path = Path(DATA_PATH),
    termination_log: Path = TERMINATION_LOG,
) -> int:
    """Make one attempt and return its exit code.

    Args:
        environment: as the operator sets it.
        data: where the claim is mounted.
        termination_log: file for the result document.
    """
    stopped = StopFlag()
    stopped.install()
    url: str | None = None

    def report(result: Result) -> None:
        termination_log.write_text(encode(replace(result, url=url)), encoding="utf-8")

    try:
        started = datetime.now(UTC)
        spec = read_spec(environment, started)
        url = spec.url_of_run
        result = ask_patiently(
            lambda: _attempt(spec, data, stopped, report),
            deadline=spec.deadline(started),
            stopped=stopped,
            look_again=_look_again(spec),
        )
        code = EXIT_DONE
    except SkippedError as skipped:
        log.info("skipped: %s", skipped)
        result, code = Result(reason=EXCLUDED, message=str(skipped)), EXIT_DONE
    except Exception as error:
        result, code = outcome(error)
        bug = error if result.reason == Reason.INTERNAL_ERROR else None
        log.error("%s: %s", result.reason, result.message, exc_info=bug)
    report(result)
    return code


def _look_again(spec: Spec) -> LookAgain:
    if spec.task.wait_for is None:
        return never_look_again
    from download_worker.late_file import LateFile

    return LateFile(spec.task.wait_for, spec.tick).next_look


def outcome(error: Exception) -> tuple[Result, int]:
    """Return result and exit code of a failure. By the code Kubernetes decides about a retry."""
    if isinstance(error, OSError):
        error = file_system_error(error)
    if not isinstance(error, DownloadError):
        return Result(reason=Reason.INTERNAL_ERROR, message=repr(error)), EXIT_RETRY
    if isinstance(error, StoppedError):
        return _failure_result(error), EXIT_STOPPED
    return _failure_result(error), EXIT_PERMANENT if error.permanent else EXIT_RETRY


def _failure_result(error: DownloadError) -> Result:
    status = error.status if error.status in REPORTED_STATUSES else None
    return Result(reason=error.reason, message=str(error), httpStatus=status)


def _attempt(
    spec: Spec, data: Path, stopped: Callable[[], bool], report: Callable[[Result], None]
) -> Result:
    log.info("%s %s", spec.task.method, spec.task.url)
    convert = find_converter(spec.task.format, spec.request, stopped, spec.memory_bytes)
    progress = ProgressLog()
    destination = spec.destination
    if isinstance(destination, Volume):
        target = _volume_target(spec, destination, data)
        result = save_to_volume(
            spec.request,
            target,
            progress=progress,
            stopped=stopped,
            convert=convert,
            report=report,
        )
    else:
        open_sink = _upload_opener(spec, destination, convert) if destination else open_discard_sink
        result, _ = download(
            spec.request, open_sink, progress=progress, stopped=stopped, convert=convert
        )
    where = "unchanged" if result.unchanged else result.location or "discarded"
    log.info("done: %s bytes, sha256 %s, %s", result.bytes, result.sha256, where)
    return result


def _volume_target(spec: Spec, volume: Volume, data: Path) -> VolumeTarget:
    return VolumeTarget(
        root=data,
        file_prefix=file_prefix(f"{spec.task.namespace}.{spec.task.name}"),
        path=lambda response: _path(spec, volume, _filename(spec, response)),
        location=lambda path: f"volume://{volume.claim}/{path}",
        overwrite=volume.overwrite,
        source=_source(spec),
        only_if_changed=spec.task.only_if_changed or spec.awaits_change_for is not None,
        awaits_change_for=spec.awaits_change_for,
        keep_last=spec.task.keep_last,
    )


def _path(spec: Spec, volume: Volume, filename: str) -> str:
    """Return the file's path on the claim, in the folder of the schedule unless paths are free."""
    path = spec.fill_template(volume.path, filename)
    folder = own_folder(spec.task.namespace, spec.task.name)
    if not volume.free_path and not path.startswith(folder):
        raise DownloadError(
            Reason.INVALID_PATH,
            f"{path} leads out of {folder}, the schedule's own folder on the claim: write "
            "{namespace}/{name}/ in front of destination.volume.path.",
        )
    return path


def _upload_opener(spec: Spec, s3: S3Target, convert: Convert | None) -> OpenSink:
    from download_worker.s3.upload import S3Object, Upload

    def open_upload(response: Response, _resuming: bool) -> Sink:
        target = S3Object(
            key=spec.fill_template(s3.key, _filename(spec, response)),
            content_type=CONTENT_TYPES.get(spec.task.format)
            or response.headers.get("content-type"),
            length=response.content_length or 0,
            sha256=None if convert else spec.request.sha256,
            run=s3.run,
        )
        return Upload(s3.bucket, target)

    return open_upload


def _source(spec: Spec) -> str:
    """Return what the file is made from, by which the manifest recognises it."""
    url = spec.task.url
    if spec.task.format is not Format.RAW:
        return " ".join(filter(None, (spec.task.format, spec.task.sha256, url)))
    return f"compressed {url}" if spec.request.compressed else url


def _filename(spec: Spec, response: Response) -> str:
    name = choose_filename(response.url, response.headers.get("content-disposition"))
    return converted_filename(name, spec.task.format)
