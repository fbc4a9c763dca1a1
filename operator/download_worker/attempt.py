"""One attempt in a Pod: environment in, file and termination message out."""

import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from download_schedule.attempt.result import (
    EXIT_DONE,
    EXIT_PERMANENT,
    EXIT_RETRY,
    EXIT_STOPPED,
    Result,
    encode,
)
from download_worker import spec as specs
from download_worker.download import Surroundings, discard, download, failed
from download_worker.errors import DownloadError, Reason, StoppedError, of_file_system
from download_worker.formats import converters
from download_worker.http.filenames import filename
from download_worker.http.messages import Response
from download_worker.progress import ProgressLog
from download_worker.volume.partial_files import Leftover
from download_worker.volume.safe_paths import Sink
from download_worker.volume.save import Place, keep, owner_name

log = logging.getLogger(__name__)

DATA: Final = Path("/data")
REPORT: Final = Path("/dev/termination-log")


class StopFlag:
    """Set by SIGTERM, which Kubernetes sends before it kills."""

    def __init__(self) -> None:
        self._set = False

    def install(self) -> None:
        """Take SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_set", True))

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self._set


def run(
    environment: Mapping[str, str],
    data: Path = DATA,
    report: Path = REPORT,
) -> int:
    """Make one attempt and return its exit code.

    Args:
        environment: as the operator sets it.
        data: where the claim is mounted.
        report: file from which the kubelet takes the termination message.
    """
    stopped = StopFlag()
    stopped.install()
    try:
        result = _attempt(specs.read(environment), data, stopped)
        code = EXIT_DONE
    except Exception as error:
        result, code = outcome(error)
        bug = error if result.reason == Reason.INTERNAL_ERROR else None
        log.error("%s: %s", result.reason, result.message, exc_info=bug)
    report.write_text(encode(result), encoding="utf-8")
    return code


def outcome(error: Exception) -> tuple[Result, int]:
    """Return the result and the exit code, by which Kubernetes decides about another attempt."""
    if isinstance(error, OSError):
        error = of_file_system(error)
    if not isinstance(error, DownloadError):
        return Result(reason=Reason.INTERNAL_ERROR, message=repr(error)), EXIT_RETRY
    if isinstance(error, StoppedError):
        return failed(error), EXIT_STOPPED
    return failed(error), EXIT_PERMANENT if error.permanent else EXIT_RETRY


def _attempt(spec: specs.Spec, data: Path, stopped: Callable[[], bool]) -> Result:
    log.info("%s %s", spec.order.request.method, spec.order.request.url)
    convert = converters.converter(spec.format, spec.order, stopped)
    around = Surroundings(discard, ProgressLog(), stopped, convert=convert)
    if spec.volume:
        result = _to_volume(spec, spec.volume, data, around)
    elif spec.s3:
        result = _to_bucket(spec, spec.s3, around)
    else:
        result = download(spec.order, around)
    what = "unchanged" if result.unchanged else result.location or "discarded"
    log.info("done: %s bytes, sha256 %s, %s", result.bytes, result.sha256, what)
    return result


def _to_volume(spec: specs.Spec, volume: specs.Volume, data: Path, around: Surroundings) -> Result:
    started = datetime.now(UTC)
    place = Place(
        root=data,
        owner=owner_name(f"{spec.namespace}.{spec.name}"),
        path=lambda response: spec.path(volume.path, _filename(spec, response), started),
        source=_source(spec),
        only_if_changed=spec.only_if_changed,
        keep_last=spec.keep_last,
    )
    result, path = keep(spec.order, place, around)
    return replace(result, location=f"volume://{volume.claim}/{path}")


def _to_bucket(spec: specs.Spec, s3: specs.S3, around: Surroundings) -> Result:
    from download_worker.s3.upload import Object, Upload

    started = datetime.now(UTC)
    keys: list[str] = []

    def open_sink(response: Response, _leftover: Leftover | None) -> Sink:
        keys.append(spec.path(s3.key, _filename(spec, response), started))
        wanted = Object(
            key=keys[-1],
            content_type=converters.CONTENT_TYPES.get(spec.format)
            or response.headers.get("content-type"),
            length=response.announced or 0,
            sha256=None if around.convert else spec.order.sha256,
            run=s3.run if s3.key_is_of_one_run else None,
        )
        return Upload(s3.bucket, wanted)

    result = download(spec.order, replace(around, open_sink=open_sink))
    return replace(result, location=f"s3://{s3.bucket.name}/{keys[-1]}")


def _source(spec: specs.Spec) -> str:
    """Return what a file is made from: of one that is converted, the digest says nothing of it."""
    if spec.format == "raw" and spec.order.compressed:
        return f"compressed {spec.order.request.url}"
    if spec.format == "raw":
        return spec.order.request.url
    return " ".join(filter(None, (spec.format, spec.order.sha256, spec.order.request.url)))


def _filename(spec: specs.Spec, response: Response) -> str:
    name = filename(response.url, response.headers.get("content-disposition"))
    return converters.named(name, spec.format)
