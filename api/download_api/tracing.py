"""By what names a request is known: its own id, and the trace that it belongs to."""

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

REQUEST_ID: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"
REQUEST_ID_ANNOTATION: Final = "downloads.dev/request-id"
TRACEPARENT_ANNOTATION: Final = "downloads.dev/traceparent"

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SANE_TRACE: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Trace:
    """What one request is called."""

    request_id: str
    traceparent: str | None = None
    """As in W3C Trace Context."""

    def annotations(self) -> dict[str, str | None]:
        """Return what a resource changed by the request says of it, as a merge patch.

        What an earlier request said goes, also where this one has nothing to say.
        """
        return {REQUEST_ID_ANNOTATION: self.request_id, TRACEPARENT_ANNOTATION: self.traceparent}


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request being answered."""


def trace_of(headers: Mapping[str, str]) -> Trace:
    """Return what a request is called: as its sender says, where that is sane, else anew."""
    said, trace = headers.get(REQUEST_ID, ""), headers.get(TRACEPARENT, "")
    request_id = said if _SANE_ID.fullmatch(said) else secrets.token_hex(16)
    return Trace(request_id, trace if _SANE_TRACE.fullmatch(trace) else None)


def marks() -> dict[str, str | None]:
    """Return the annotations of the request being answered, as a merge patch."""
    trace = current.get()
    return trace.annotations() if trace else {}
