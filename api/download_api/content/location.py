"""Where the file of a run is. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from download_api.problems.problem import ProblemError
from download_schedule.history import is_terminal
from download_schedule.model import State

_LOCATION: Final = re.compile(r"(volume|s3)://([^/]+)/(.+)", re.DOTALL)


class FileLocation(NamedTuple):
    """Where a file is."""

    kind: str
    """``volume`` or ``s3``."""
    container: str
    """Name of the claim or bucket."""
    path: str
    """Path in the claim, or key in the bucket. No part of it is empty, ``.`` or ``..``."""


def locate_file(schedule: Mapping[str, Any], run: Mapping[str, Any]) -> FileLocation:
    """Return where the file that a run kept is.

    Do not trust the status: anyone who can create Pods in the namespace can write any text into it.

    Args:
        schedule: the resource.
        run: entry of its history.

    Raises:
        ProblemError: 404, the run kept no file; 409, it is not over; 410, a later run has
            overwritten the file.
    """
    if not is_terminal(run):
        message = "The run is not over; wait until it ends."
        raise ProblemError(409, "run_active", message, {"Retry-After": "5"})
    if run["state"] == State.FAILED:
        raise no_content("The run failed and kept no file; choose one that completed.")
    if run["state"] == State.SKIPPED:
        raise no_content("The run was skipped and kept no file; choose one that completed.")
    if run.get("unchanged"):
        message = (
            "The file had not changed, so the run did not keep it again; choose an earlier run."
        )
        raise no_content(message)
    location = run.get("location")
    if not location:
        raise no_content("The run kept no file; set a destination for the next one.")
    if _is_overwritten(schedule, run):
        raise content_gone("A later run wrote another file there; choose that run.")
    return _parse(location)


def no_content(message: str) -> ProblemError:
    """Return the problem of a run without a file that can be served."""
    return ProblemError(404, "content_not_found", message)


def content_gone(message: str) -> ProblemError:
    """Return the problem of a file that no longer exists."""
    return ProblemError(410, "content_gone", message)


def _is_overwritten(schedule: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Return whether a later run wrote another file to the same place."""
    return any(
        other.get("location") == run["location"]
        and not other.get("unchanged")
        and other.get("sha256") != run.get("sha256")
        and other.get("completionTime", "") > run.get("completionTime", "")
        for other in schedule["status"]["history"]
    )


def _parse(location: str) -> FileLocation:
    match = _LOCATION.fullmatch(location)
    if match is None or "\0" in location or {"", ".", ".."} & set(match[3].split("/")):
        raise no_content("The status does not name a file that the API can serve.")
    return FileLocation(*match.groups())
