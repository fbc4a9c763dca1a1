"""How one attempt went: the document that it leaves, and its exit code.

The worker writes the document as its container's termination message, and the operator reads it
back from the Pod's status. A Pod's author can write anything there, so :func:`decode` believes
nothing. Standard library only: the worker imports this once per run.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

EXIT_DONE: Final = 0
EXIT_PERMANENT: Final = 10
"""No retry can help. The Job's podFailurePolicy fails the run at once."""
EXIT_RETRY: Final = 20
"""Another attempt may succeed. Kubernetes makes it after its exponential backoff."""
EXIT_STOPPED: Final = 143
"""The attempt was ended by SIGTERM (128 + 15)."""

EXCLUDED: Final = "Excluded"
"""Reason: the run is `Skipped`, because `spec.exclude` leaves out the day of its tick. The message
says which part does."""

MAX_DOCUMENT_BYTES: Final = 4096
"""Kubernetes truncates a longer termination message (core/v1 ContainerStateTerminated)."""

MAX_CHARACTERS: Final = {
    "url": 1024,
    "sha256": 64,
    "contentType": 255,
    "etag": 255,
    "location": 1024,
    "reason": 64,
    "message": 1024,
}
"""Longest text of each field. The resource's schema promises the same bounds."""

MAX_BYTES: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Outcome of one attempt. Fields are named as in the resource's ``status.history``."""

    url: str | None = None
    """Address that was fetched, if the schedule's is a template."""
    bytes: int | None = None
    """Length of the body as stored, 0 to 2**63-1."""
    sha256: str | None = None
    """Digest of the stored body, 64 lower-case hexadecimal digits."""
    httpStatus: int | None = None  # noqa: N815 - the resource's own spelling
    """Status of the last response, 100 to 599."""
    contentType: str | None = None  # noqa: N815 - as above
    etag: str | None = None
    location: str | None = None
    """Where the file is, such as ``volume://claim/path``."""
    unchanged: bool | None = None
    """True if the file is the same as the last one saved; then no file was written."""
    lengthUnverified: bool | None = None  # noqa: N815 - as above
    """True if nothing said how long the body is, so that a cut would have gone unnoticed."""
    reason: str | None = None
    """CamelCase word for a failure, such as ``HTTPStatus``, or :data:`EXCLUDED`; None after a
    success."""
    message: str | None = None
    """One sentence about that, for people."""


def encode(result: Result) -> str:
    """Return *result* as a JSON document of at most :data:`MAX_DOCUMENT_BYTES` bytes.

    Texts are cut to :data:`MAX_CHARACTERS`, and further where escapes would make the document too
    long.
    """
    limit = max(MAX_CHARACTERS.values())
    while True:
        document = json.dumps(_compact(result, limit), ensure_ascii=False, separators=(",", ":"))
        if len(document.encode()) <= MAX_DOCUMENT_BYTES:
            return document
        limit = limit * 3 // 4


def decode(document: str) -> Result:
    """Read the document back.

    Raises:
        ValueError: it is not a result document; the sentence says what is wrong with it.
    """
    if len(document.encode(errors="replace")) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"result is longer than {MAX_DOCUMENT_BYTES} bytes")
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"result is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("result is not a JSON object")
    values: dict[str, Any] = {n: _checked(n, data[n]) for n in _NAMES if n in data}
    return Result(**values)


_NAMES: Final = tuple(field.name for field in fields(Result))
_FLAGS: Final = frozenset({"unchanged", "lengthUnverified"})
_RANGES: Final = {"bytes": (0, MAX_BYTES), "httpStatus": (100, 599)}


def _compact(result: Result, limit: int) -> dict[str, object]:
    return {
        name: _text(value, min(limit, MAX_CHARACTERS[name])) if isinstance(value, str) else value
        for name, value in asdict(result).items()
        if value is not None
    }


def _text(value: str, limit: int) -> str:
    """Cut to *limit* characters; replace what UTF-8 cannot encode and what terminals interpret."""
    clean = "".join(c if c.isprintable() else " " for c in value)
    return clean if len(clean) <= limit else clean[: max(limit - 1, 0)] + "…"


def _checked(name: str, value: object) -> object:
    if value is None:
        return None
    if name in _RANGES:
        low, high = _RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} is not a whole number from {low} to {high}")
        return value
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is neither true nor false")
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    if name == "sha256" and (len(value) != 64 or set(value) - set("0123456789abcdef")):
        raise ValueError("sha256 is not 64 lower-case hexadecimal digits")
    return _text(value, MAX_CHARACTERS[name])
