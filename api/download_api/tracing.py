"""Identification of a request: its own id, and the trace that it belongs to."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REQUEST_ID: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"
REQUEST_ID_ANNOTATION: Final = "downloads.dev/request-id"
"""On the schedule: `X-Request-ID` of the API request that created or changed it last."""
TRACEPARENT_ANNOTATION: Final = "downloads.dev/traceparent"
"""On the schedule: `traceparent` (W3C) of that request."""

_VALID_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_VALID_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Trace:
    """The names by which one request is found in logs and traces."""

    request_id: str
    traceparent: str | None = None
    """Header of W3C Trace Context."""

    def annotations(self) -> dict[str, str | None]:
        """Return the annotations for a resource that the request writes, as a merge patch.

        None removes the annotation of an earlier request.
        """
        return {REQUEST_ID_ANNOTATION: self.request_id, TRACEPARENT_ANNOTATION: self.traceparent}


def parse_trace(headers: Mapping[str, str]) -> Trace:
    """Return the trace of a request.

    An id or traceparent that is missing or malformed is not used; the request gets a new id.
    """
    request_id, traceparent = headers.get(REQUEST_ID, ""), headers.get(TRACEPARENT, "")
    return Trace(
        request_id if _VALID_REQUEST_ID.fullmatch(request_id) else secrets.token_hex(16),
        traceparent if _VALID_TRACEPARENT.fullmatch(traceparent) else None,
    )
