"""Where the file of a run is, and which part of it somebody wants. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from download_api.problems import ProblemError
from download_schedule.history import is_terminal
from download_schedule.model import State

JSON = Mapping[str, Any]

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_LOCATION: Final = re.compile(r"(volume|s3)://([^/]+)/(.+)", re.DOTALL)


class Place(NamedTuple):
    """Where a file is."""

    kind: str
    """``volume`` or ``s3``."""
    store: str
    """Name of the claim or bucket."""
    path: str
    """In it; no part of it is empty, ``.`` or ``..``."""


def place(schedule: JSON, run: JSON) -> Place:
    """Return where the file that a run kept is.

    The status is believed only so far: who may make Pods in the namespace may write there what he
    likes.

    Raises:
        ProblemError: 404, it kept none; 409, it is not over; 410, the file is not there any more.
    """
    if not is_terminal(run):
        sentence = "The run is not over: wait for its end."
        raise ProblemError(409, "run_active", sentence, {"Retry-After": "5"})
    if run["state"] == State.FAILED:
        raise no_content("The run failed and kept no file: ask for one that completed.")
    if run.get("unchanged"):
        raise no_content("The file was still the one kept before: ask for the run that kept it.")
    location = run.get("location")
    if not location:
        raise no_content("The run kept no file: give the schedule a destination for the next one.")
    if _is_replaced(schedule, run):
        raise gone("A later run wrote another file there: ask for that run.")
    found = _LOCATION.fullmatch(location)
    if (
        not found
        or any(part in ("", ".", "..") for part in found[3].split("/"))
        or "\0" in location
    ):
        raise no_content("The status names no file that the API could serve.")
    return Place(*found.groups())


def _is_replaced(schedule: JSON, run: JSON) -> bool:
    """Whether another run wrote another file of the same name later on."""
    return any(
        other.get("location") == run["location"]
        and not other.get("unchanged")
        and other.get("sha256") != run.get("sha256")
        and other.get("completionTime", "") > run.get("completionTime", "")
        for other in schedule["status"]["history"]
    )


@dataclass(frozen=True)
class Excerpt:
    """What of a file is sent, and how the answer says so."""

    status: int
    """200, 206 or 304."""
    bytes: range
    headers: dict[str, str]


def excerpt(asked: Mapping[str, str], etag: str, size: int) -> Excerpt:
    """Return what to send to a GET.

    Args:
        asked: the request's headers, by their names in lower case.
        etag: of the file; empty: it has none.
        size: the file's bytes.

    Raises:
        ProblemError: 416, it asks for bytes that the file does not have.
    """
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    if etag and known & {etag, "*"}:
        return Excerpt(304, range(0), {})
    wanted = _range(asked.get("range", ""), size)
    if wanted is None or asked.get("if-range", etag) != etag:
        return Excerpt(200, range(size), {"Content-Length": str(size)})
    if not wanted:
        sentence = f"Range: the file has {size} bytes; ask for some of them."
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError(416, "range_not_satisfiable", sentence, headers)
    span = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return Excerpt(206, wanted, {"Content-Length": str(len(wanted)), "Content-Range": span})


def _range(header: str, size: int) -> range | None:
    """What is not one range of bytes counts as no header, as RFC 9110 allows."""
    found = _RANGE.fullmatch(header)
    if not found or not any(found.groups()):
        return None
    first, last = (int(text) if text else None for text in found.groups())
    if first is None:
        return range(max(size - (last or 0), 0), size)
    if last is not None and last < first:
        return None
    return range(first, size if last is None else min(last + 1, size))


def no_content(sentence: str) -> ProblemError:
    """Return the answer where there is no file to serve."""
    return ProblemError(404, "content_not_found", sentence)


def gone(sentence: str) -> ProblemError:
    """Return the answer where there was one."""
    return ProblemError(410, "content_gone", sentence)
