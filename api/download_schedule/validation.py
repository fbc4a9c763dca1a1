"""Rules that a plain schema cannot express, each written for the API server and for Python.

The API server evaluates :attr:`Rule.cel` (``x-kubernetes-validations``), so that ``kubectl apply``
refuses a bad object. pydantic evaluates :attr:`Rule.is_satisfied`, so that the HTTP API refuses the
same objects without a round trip. Both report :attr:`Rule.message`. Tests check that both agree.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class Rule:
    """One condition on one value."""

    message: str
    """What is wrong and what to write instead, as one sentence."""
    cel: str
    """The condition in the Common Expression Language; ``self`` is the value."""
    is_satisfied: Callable[[Any], bool]
    """The same condition in Python."""


FROM_API_SERVER: Final = "from the API server"
"""Validation context for stored objects: skip our rules, the API server has applied its own."""


class Check:
    """Annotation of a type that makes both pydantic and the API server enforce rules."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def enforce(value: Any, info: ValidationInfo) -> Any:
            return value if info.context == FROM_API_SERVER else self.enforce(value)

        return core_schema.with_info_after_validator_function(enforce, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), **self.json_schema()}

    def enforce(self, value: Any) -> Any:
        """Return *value* if it satisfies every rule.

        None satisfies every rule, because the API server treats null as an absent member.

        Raises:
            PydanticCustomError: with the message of the first rule that *value* breaks.
        """
        if value is None:
            return None
        for rule in self.rules:
            if not rule.is_satisfied(value):
                raise PydanticCustomError("rule", "{message}", {"message": rule.message})
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the member of a schema that holds the rules for the API server."""
        return {
            "x-kubernetes-validations": [
                {"rule": rule.cel, "message": rule.message} for rule in self.rules
            ]
        }


def matching(pattern: str, message: str) -> Rule:
    """Return the rule that a text must match *pattern* (RE2 syntax, without double quotes)."""
    compiled = _compile(pattern)
    return Rule(message, f'self.matches(r"{pattern}")', lambda text: bool(compiled.search(text)))


def not_matching(pattern: str, message: str) -> Rule:
    """Return the rule that a text must not match *pattern*, which is written as for `matching`."""
    compiled = _compile(pattern)
    return Rule(message, f'!self.matches(r"{pattern}")', lambda text: not compiled.search(text))


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(r"\z", r"\Z"), re.ASCII)


def _reject_boolean(value: Any) -> Any:
    """Reject true and false: pydantic would accept them as 1 and 0, the API server does not."""
    if isinstance(value, bool):
        raise PydanticCustomError("rule", "write a whole number, not true or false")
    return value


NOT_BOOLEAN: Final = BeforeValidator(_reject_boolean)
"""Annotation of an integer that must not be written as true or false."""
