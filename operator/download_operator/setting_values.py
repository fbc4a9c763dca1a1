"""Values of settings: what becomes of the text of a variable. Pure.

Every ValueError says what is wrong with the value, in words that follow the variable's name.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import from_json

from download_schedule.names import NAMESPACE


@dataclass(frozen=True, slots=True)
class Hint:
    """What to write instead of a value that is not valid."""

    text: str


def split(value: Any) -> Any:
    """Split a comma-separated list.

    An empty list of namespaces means all of them. A value that only looks empty may be a mistake.
    """
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if value and not parts:
        raise ValueError(f"is {value!r}, a list without an entry")
    return parts


def split_numbers(value: Any) -> Any:
    """Split a comma-separated list of numbers."""
    if not isinstance(value, str):
        return value
    return tuple(int(part) if part.isdecimal() else part for part in split(value))


def read_json_list(value: Any) -> Any:
    """Parse JSON; an empty text is an empty list."""
    return read_json(value or "[]") if isinstance(value, str) else value


def read_json(value: Any) -> Any:
    """Parse JSON; an empty text is an empty object."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value or "{}")
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from None


def check_not_empty(value: str) -> str:
    """Refuse an empty text."""
    if not value:
        raise ValueError("is empty")
    return value


def check_namespace(namespace: str) -> str:
    """Refuse other names: the API server would treat any name as that of an empty namespace."""
    if not re.fullmatch(NAMESPACE, namespace):
        raise ValueError(f"has {namespace!r}, which is not the name of a namespace")
    return namespace


def check_proxy(proxy: str) -> str:
    """Refuse what is not the address of an HTTP proxy."""
    if "@" in proxy:  # the message is logged, so it must not repeat a password
        raise ValueError("must not contain a user name or password")
    match = re.fullmatch(r"http://[^/\s]+:(\d{1,5})", proxy)
    if proxy and not (match and 1 <= int(match[1]) <= 65535):
        raise ValueError(f"is {proxy!r}")
    return proxy


def _empty_as_none(value: Any) -> Any:
    return None if value == "" else value


MAX_ID: Final = 2**31 - 1
"""Largest id of a user or group that Kubernetes accepts."""

Id = Annotated[
    Annotated[int, Field(ge=1, le=MAX_ID)] | None,
    BeforeValidator(_empty_as_none),
    Hint(f"a whole number from 1 to {MAX_ID}, or nothing to leave it to the cluster"),
]
Namespace = Annotated[str, AfterValidator(check_namespace)]
