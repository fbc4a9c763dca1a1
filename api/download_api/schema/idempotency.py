"""The same POST twice is one schedule: by the Idempotency-Key that came with it. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header
from pydantic import BaseModel

from download_api.problems import ProblemError
from download_schedule.names import MAX_TOKEN

REQUEST_DIGEST: Final = "downloads.dev/request-digest"
"""Annotation of a schedule made with a key: what was asked for, to tell a repetition from a key
used for something else."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_TOKEN,
        description="Of your choice, a new one for each request; again, it is the same request.",
    ),
]


def name_of(caller: str, key: str) -> str:
    """Return the name of the schedule that *caller* makes with *key*; nobody else's has it."""
    digest = hashlib.sha256(f"{caller}\0{key}".encode())
    return f"schedule-{digest.hexdigest()[:20]}"


def digest_of(new: BaseModel) -> str:
    """Return the digest of a request's body as it is understood."""
    return hashlib.sha256(new.model_dump_json().encode()).hexdigest()


def repeated(resource: Mapping[str, Any], digest: str) -> None:
    """Let a schedule that is there already be the answer.

    Raises:
        ProblemError: 422, another request made it.
    """
    if resource["metadata"].get("annotations", {}).get(REQUEST_DIGEST) != digest:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "Idempotency-Key: it came with another request before; take a new one for each.",
        )
