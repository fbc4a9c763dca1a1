"""Idempotency-Key: the same POST sent twice creates one schedule. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header
from pydantic import BaseModel

from download_api.problems.problem import ProblemError
from download_schedule.names import MAX_TOKEN

REQUEST_DIGEST_ANNOTATION: Final = "downloads.dev/request-digest"
"""Digest of the request that created a schedule with a key. It tells a repetition of that request
from another request with the same key."""

KEY_REUSED: Final = "Idempotency-Key: it was used for another request; choose a new one for each."

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_TOKEN,
        description="A text of your choice, a new one for each request. A request with a key that "
        "was sent before is a repetition, and changes nothing.",
    ),
]


def resource_name(user: str, idempotency_key: str) -> str:
    """Return the name of the schedule that *user* creates with a key. No other user gets it."""
    digest = hashlib.sha256(f"{user}\0{idempotency_key}".encode())
    return f"schedule-{digest.hexdigest()[:20]}"


def request_digest(new: BaseModel) -> str:
    """Return the digest of a request's parsed body."""
    return hashlib.sha256(new.model_dump_json().encode()).hexdigest()


def check_repetition(resource: Mapping[str, Any], digest: str) -> None:
    """Return only if the request with that *digest* created *resource*.

    Raises:
        ProblemError: 422, another request created it.
    """
    if resource["metadata"].get("annotations", {}).get(REQUEST_DIGEST_ANNOTATION) != digest:
        raise ProblemError(422, "idempotency_key_reused", KEY_REUSED)
