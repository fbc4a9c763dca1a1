"""Pages: opaque cursors, and the header that leads to the next one. Pure."""

import base64
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from download_api.problems import ProblemError

MAX_CURSOR: Final = 4096


class Cursor(BaseModel):
    """Where the last page ended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    """Of its last item."""
    time: str = ""
    """When that began, where the order is one of time."""
    seen: Annotated[int, Field(ge=0)] = 0
    """Items on the pages so far."""
    token: str = ""
    """The API server's own word for the same place; good for some minutes."""

    def encoded(self) -> str:
        """Return it as callers see it."""
        text = self.model_dump_json(exclude_defaults=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decoded(cls, text: str | None, offset: int) -> "Cursor | None":
        """Return what a caller sent; None: he sent none.

        Raises:
            ProblemError: 422, it is none of ours, or stands beside an offset.
        """
        if text is None:
            return None
        if offset:
            sentence = "offset: leave it out, the cursor says where the page starts"
            raise ProblemError(422, "validation_error", sentence)
        try:
            if len(text) > MAX_CURSOR:
                raise ValueError
            padded = text + "=" * (-len(text) % 4)
            return cls.model_validate_json(base64.b64decode(padded, b"-_", validate=True))
        except (ValueError, ValidationError):
            raise bad_cursor() from None


def bad_cursor() -> ProblemError:
    """Return the answer to a cursor that is none of ours."""
    sentence = "cursor: take it from the Link header of the page before"
    return ProblemError(422, "validation_error", sentence)


def next_link(request: Request, cursor: Cursor) -> str:
    """Return the Link header that leads to the page after the one *request* asked for."""
    again = request.query_params.multi_items()
    kept = [(name, value) for name, value in again if name not in ("offset", "cursor")]
    query = urlencode([*kept, ("cursor", cursor.encoded())])
    return f'<{quote(request.url.path)}?{query}>; rel="next"'
