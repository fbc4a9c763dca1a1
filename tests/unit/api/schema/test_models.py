"""What members take."""

import pytest
from pydantic import BaseModel, ValidationError

from download_api.schema.models import NewSchedule, Request, Verify
from download_schedule import model
from download_schedule.model import Spec

REQUIRED: dict[type[BaseModel], dict[str, str]] = {
    NewSchedule: {"name": "n", "url": "https://example.com/x", "cron_expression": "0 2 * * *"},
    Spec: {"url": "https://example.com/x", "schedule": "0 2 * * *"},
}


def integers(model: type[BaseModel]) -> list[str]:
    return [name for name, of in model.model_fields.items() if of.annotation in (int, int | None)]


@pytest.mark.parametrize("shape", [NewSchedule, Request, Verify, Spec, model.Request, model.Verify])
def test_a_boolean_is_no_number(shape: type[BaseModel]) -> None:
    assert integers(shape)
    for name in integers(shape):
        for value in (False, True):
            with pytest.raises(ValidationError, match="write a whole number, not true or false"):
                shape.model_validate({**REQUIRED.get(shape, {}), name: value})


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("backoff_limit", "10", 10),
        ("backoff_limit", 10.0, 10),
        ("enabled", "true", True),
        ("enabled", 0, False),
    ],
)
def test_text_is_taken_for_what_it_says_as_in_the_seed(name: str, said: object, meant: int) -> None:
    taken = NewSchedule.model_validate({**REQUIRED[NewSchedule], name: said})
    assert getattr(taken, name) == meant
