"""Rules: the same condition for pydantic and for the API server."""

from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from download_schedule.validation import FROM_API_SERVER, NOT_BOOLEAN, Check, Rule, matching

SHORT = Rule("write at most three characters", "self.size() <= 3", lambda text: len(text) <= 3)
LOWER_CASE = matching(r"^[a-z]+\z", "write lower case")


class Example(BaseModel):
    text: Annotated[str, Check(SHORT, LOWER_CASE)] = "abc"
    number: Annotated[int, NOT_BOOLEAN] = 1


@pytest.mark.parametrize(
    ("text", "message"), [("abcd", "write at most three characters"), ("ABC", "write lower case")]
)
def test_broken_rule_is_reported_with_its_message(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Example(text=text)


def test_first_broken_rule_is_reported() -> None:
    with pytest.raises(PydanticCustomError, match="at most three"):
        Check(SHORT, LOWER_CASE).enforce("ABCD")


def test_absent_value_satisfies_every_rule() -> None:
    assert Check(SHORT).enforce(None) is None


def test_stored_object_is_not_checked_again() -> None:
    stored = Example.model_validate({"text": "ABCD"}, context=FROM_API_SERVER)
    assert stored.text == "ABCD"


def test_schema_has_the_rules_in_cel() -> None:
    schema = Example.model_json_schema()["properties"]["text"]
    assert schema["x-kubernetes-validations"] == [
        {"rule": "self.size() <= 3", "message": "write at most three characters"},
        {"rule": r'self.matches(r"^[a-z]+\z")', "message": "write lower case"},
    ]


@pytest.mark.parametrize("value", [True, False])
def test_boolean_is_not_a_whole_number(value: bool) -> None:
    with pytest.raises(ValidationError, match="write a whole number, not true or false"):
        Example(number=value)


def test_pattern_matches_up_to_the_end_of_the_text() -> None:
    assert LOWER_CASE.is_satisfied("abc")
    assert not LOWER_CASE.is_satisfied("abc\n")
