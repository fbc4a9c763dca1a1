"""camelCase of the resource to snake_case of the API. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_CAMEL_CASE_WORD: Final = re.compile(r"\b[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+\b")
"""Starts with a letter: the 23T02 in a time is not such a word."""


def keys_to_snake_case(value: Any) -> Any:
    """Return JSON of the resource with the names of all members in snake_case."""
    if isinstance(value, Mapping):
        return {_name_to_snake_case(name): keys_to_snake_case(v) for name, v in value.items()}
    if isinstance(value, list):
        return [keys_to_snake_case(item) for item in value]
    return value


def to_snake_case(text: str) -> str:
    """Return *text* with every camelCase word in it as snake_case."""
    return _CAMEL_CASE_WORD.sub(lambda word: re.sub(r"([A-Z])", r"_\1", word[0]).lower(), text)


@lru_cache(maxsize=1024)
def _name_to_snake_case(name: str) -> str:
    """Convert the name of a member. There are few of them, so the results are cached."""
    return to_snake_case(name)
