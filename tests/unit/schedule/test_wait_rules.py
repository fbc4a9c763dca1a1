"""Which `waitFor` is admitted, at the edges of its limits."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from download_schedule.model import Spec, Until
from tests.support.schedules import URL
from tests.support.wait_cases import ADMITTED, ONLY_OF_A_TYPE, REFUSED, waiting


def parse(spec: dict[str, Any]) -> Spec:
    return Spec.model_validate({"url": URL, "schedule": "0 2 * * *", **spec})


@pytest.mark.parametrize("spec", ADMITTED)
def test_wait_that_leaves_room_is_admitted(spec: dict[str, Any]) -> None:
    assert parse(spec)


@pytest.mark.parametrize(("spec", "sentence"), REFUSED)
def test_wait_that_cannot_work_is_refused_with_what_to_write(
    spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=f"(?i){re.escape(sentence)}"):
        parse(spec)


@pytest.mark.parametrize("spec", ONLY_OF_A_TYPE)
def test_wait_of_another_type_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse(spec)


def test_defaults_are_a_look_every_five_minutes_while_404() -> None:
    wait_for = parse(waiting()).wait_for
    assert wait_for
    assert (wait_for.until, wait_for.every_seconds, wait_for.statuses) == (
        Until.EXISTS,
        300,
        (404,),
    )
