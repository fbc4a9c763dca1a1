"""The resource's camelCase in the API's snake_case. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_WORD: Final = re.compile(r"\b[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+\b")
"""No digit begins it: 23T02 is part of a time."""


def snake(value: Any) -> Any:
    """Return JSON of the resource in the API's spelling."""
    if isinstance(value, Mapping):
        return {_name(name): snake(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [snake(inner) for inner in value]
    return value


def snake_case(text: str) -> str:
    """Return *text* with every camelCase word in it as snake_case."""
    return _WORD.sub(lambda word: re.sub(r"([A-Z])", r"_\1", word[0]).lower(), text)


_name = lru_cache(maxsize=1024)(snake_case)
"""For the names of members, which are always the same ones."""
