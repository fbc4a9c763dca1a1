"""Values that members of schedules accept."""

import pytest
from pydantic import BaseModel, ValidationError

from download_api.schema.models import NewSchedule, Request, Verify
from download_schedule import model
from download_schedule.model import Spec

REQUIRED: dict[type[BaseModel], dict[str, str]] = {
    NewSchedule: {"name": "n", "url": "https://example.com/x", "cron_expression": "0 2 * * *"},
    Spec: {"url": "https://example.com/x", "schedule": "0 2 * * *"},
}


def integer_fields(model: type[BaseModel]) -> list[str]:
    return [
        name for name, field in model.model_fields.items() if field.annotation in (int, int | None)
    ]


@pytest.mark.parametrize(
    "checked", [NewSchedule, Request, Verify, Spec, model.Request, model.Verify]
)
def test_boolean_is_not_accepted_as_a_number(checked: type[BaseModel]) -> None:
    assert integer_fields(checked)
    for name in integer_fields(checked):
        for value in (False, True):
            with pytest.raises(ValidationError, match="write a whole number, not true or false"):
                checked.model_validate({**REQUIRED.get(checked, {}), name: value})


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("backoff_limit", "10", 10),
        ("backoff_limit", 10.0, 10),
        ("enabled", "true", True),
        ("enabled", 0, False),
    ],
)
def test_numbers_and_booleans_may_be_texts_as_in_the_seed_api(
    name: str, sent: object, expected: int
) -> None:
    new = NewSchedule.model_validate({**REQUIRED[NewSchedule], name: sent})
    assert getattr(new, name) == expected
