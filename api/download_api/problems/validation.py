"""Validation errors of pydantic and FastAPI as one sentence that says what to write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastapi.exceptions import RequestValidationError

from download_api.casing import to_snake_case
from download_api.problems.problem import ProblemError

Location = tuple[int | str, ...]
"""Path of a member, such as ``("request", "max_redirects")``."""

MAX_ERRORS_SHOWN: Final = 10
MAX_LOCATION_LENGTH: Final = 100
MAX_MESSAGE_LENGTH: Final = 500

_REWORDED: Final = {
    "extra_forbidden": "there is no such member; leave it out",
    "dict_type": "write an object",
    "model_type": "write an object",
    "model_attributes_type": "write an object",
    "tuple_type": "write an array",
}
"""Our messages for some of pydantic's error types."""


def unreadable_body() -> ProblemError:
    """Return the problem of a body that is not JSON."""
    return ProblemError(422, "validation_error", "body: it is not JSON; send JSON in UTF-8")


def invalid_request(error: RequestValidationError) -> ProblemError:
    """Return the problem of a request whose parameters or body are wrong."""
    if isinstance(error.body, bytes):  # FastAPI did not parse it
        message = "body: send it with the header Content-Type: application/json"
        return ProblemError(422, "validation_error", message)
    errors = error.errors()
    if any(entry["type"] == "json_invalid" for entry in errors):
        return unreadable_body()
    return ProblemError(422, "validation_error", describe_errors(errors, dotted))


def describe_errors(
    errors: Sequence[Mapping[str, Any]], spell_location: Callable[[Location], str]
) -> str:
    """Return which members are wrong and why, without their values: these could be secrets.

    A caller can send any number of members with names of any length, so both are cut off.

    Args:
        errors: as pydantic lists them.
        spell_location: returns a member's path as callers write it.
    """
    parts = [
        f"{_shorten(spell_location(error['loc']), MAX_LOCATION_LENGTH)}: "
        f"{_shorten(_message(error), MAX_MESSAGE_LENGTH)}"
        for error in errors[:MAX_ERRORS_SHOWN]
    ]
    if len(errors) > MAX_ERRORS_SHOWN:
        parts.append(f"and {len(errors) - MAX_ERRORS_SHOWN} more")
    return "; ".join(parts)


def dotted(location: Location) -> str:
    """Return the path of a member with dots between its parts; ``body`` for the whole body."""
    return ".".join(map(str, location)) or "body"


def _message(error: Mapping[str, Any]) -> str:
    if reworded := _REWORDED.get(error["type"]):
        return reworded
    message = to_snake_case(error["msg"].removeprefix("Value error, "))
    return message.replace("request.headers", "headers or secret_headers")


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
