"""Validation errors as sentences."""

from typing import Annotated

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ValidationError

from download_api.problems.problem import ProblemError
from download_api.problems.validation import describe_errors, dotted, invalid_request
from download_api.schema.cron import require_date_and_zone
from download_api.schema.to_resource import apply_patch
from tests.support.api_objects import resource


def test_message_about_many_long_members_is_short() -> None:
    changes = {f"{number}{'x' * 100_000}": 1 for number in range(1000)}
    with pytest.raises(ProblemError) as refusal:
        apply_patch(resource(), changes)
    message = str(refusal.value)
    assert message.count("there is no such member") == 10
    assert message.endswith("; and 990 more")
    assert len(message) < 2000


class Query(BaseModel):
    since: Annotated[AwareDatetime, BeforeValidator(require_date_and_zone)]


def test_example_of_a_time_is_not_converted_to_snake_case() -> None:
    with pytest.raises(ValidationError) as invalid:
        Query.model_validate({"since": "yesterday"})
    message = describe_errors(invalid.value.errors(), dotted)
    assert message.startswith(
        "since: write a time as in RFC 3339, for example 2026-11-23T02:00:00Z;"
    )


def test_location_of_the_whole_body_is_body() -> None:
    assert dotted(()) == "body"
    assert dotted(("request", "max_redirects")) == "request.max_redirects"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RequestValidationError([], body=b"{}"),
            "body: send it with the header Content-Type: application/json",
        ),
        (
            RequestValidationError([{"type": "json_invalid", "loc": ("body", 1), "msg": "x"}]),
            "body: it is not JSON; send JSON in UTF-8",
        ),
        (
            RequestValidationError(
                [{"type": "missing", "loc": ("query", "expr"), "msg": "Missing"}]
            ),
            "query.expr: Missing",
        ),
    ],
)
def test_invalid_request_is_a_422_that_says_what_to_send(
    error: RequestValidationError, message: str
) -> None:
    problem = invalid_request(error)
    assert (problem.status, problem.error_type, str(problem)) == (422, "validation_error", message)
