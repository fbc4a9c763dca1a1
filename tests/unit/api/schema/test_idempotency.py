"""Idempotency keys."""

import pytest

from download_api.problems.problem import ProblemError
from download_api.schema.idempotency import (
    REQUEST_DIGEST_ANNOTATION,
    check_repetition,
    request_digest,
    resource_name,
)
from tests.support.api_objects import new_schedule, resource


def test_name_depends_on_user_and_key() -> None:
    names = {resource_name(user, key) for user in ("ann", "bob") for key in ("a", "b")}
    assert len(names) == 4
    assert resource_name("ann", "a") in names


def test_only_the_same_request_is_a_repetition() -> None:
    stored = resource()
    digest = request_digest(new_schedule())
    stored["metadata"]["annotations"][REQUEST_DIGEST_ANNOTATION] = digest

    check_repetition(stored, request_digest(new_schedule()))

    with pytest.raises(ProblemError, match="Idempotency-Key: it was used for another request"):
        check_repetition(stored, request_digest(new_schedule(enabled=False)))
