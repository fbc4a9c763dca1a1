"""Pages: opaque cursors, and the Link header that leads to the next page. Pure."""

import base64
from typing import Annotated, Final, Self
from urllib.parse import quote, urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from download_api.problems.problem import ProblemError

MAX_CURSOR_LENGTH: Final = 4096


class Cursor(BaseModel):
    """Where the previous page ended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Sort key or id of the last item."""
    time: str = ""
    """Start time of the last item, if the items are sorted by time."""
    seen: Annotated[int, Field(ge=0)] = 0
    """Number of items on all pages so far."""
    token: str = ""
    """Continue token of the API server for the same position. It expires after some minutes."""

    def encode(self) -> str:
        """Return the cursor as callers see it."""
        text = self.model_dump_json(exclude_defaults=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the cursor that a caller sent.

        Raises:
            ProblemError: 422, we did not make it.
        """
        try:
            if len(text) > MAX_CURSOR_LENGTH:
                raise ValueError
            padded = text + "=" * (-len(text) % 4)
            return cls.model_validate_json(base64.b64decode(padded, b"-_", validate=True))
        except (ValueError, ValidationError):
            raise invalid_cursor() from None


def parse_position(cursor: str | None, offset: int) -> Cursor | None:
    """Return the cursor of a request, or None if the page starts at *offset*.

    Raises:
        ProblemError: 422, the cursor is invalid, or came together with an offset.
    """
    if cursor is None:
        return None
    if offset:
        message = "offset: leave it out; the cursor already says where the page starts"
        raise ProblemError(422, "validation_error", message)
    return Cursor.decode(cursor)


def invalid_cursor() -> ProblemError:
    """Return the problem of a cursor that we did not make."""
    message = "cursor: take it from the Link header of the previous page"
    return ProblemError(422, "validation_error", message)


def next_link(request: Request, cursor: Cursor) -> str:
    """Return the Link header for the page after the one that *request* asked for.

    The link is relative to the request's address, which the caller knows and we may not: a proxy
    may have removed a prefix of its path.
    """
    parameters = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("offset", "cursor")
    ]
    query = urlencode([*parameters, ("cursor", cursor.encode())])
    resource = request.url.path.rpartition("/")[2]
    return f'<{quote(resource)}?{query}>; rel="next"'
