"""Read a JSON object that anybody may have written. Standard library only: every Pod loads it."""

from typing import Any


class Members:
    """The members of a JSON object, each read by its type.

    Every method that reads raises ValueError if the member is missing or is something else.
    """

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not a JSON object")
        self._members: dict[str, Any] = value
        self._name = name
        self._read: set[str] = set()
        self._nested: list[Members] = []

    def refuse_unread(self) -> None:
        """Raise ValueError if a member, at any depth, has not been read."""
        for name in self._members:
            if name not in self._read:
                raise ValueError(f"{self._name} has an unknown member {name!r}")
        for members in self._nested:
            members.refuse_unread()

    def only_name(self) -> str:
        """Return the name of the only member."""
        if len(self._members) != 1:
            raise ValueError(f"{self._name} does not have exactly one member")
        return next(iter(self._members))

    def has(self, name: str) -> bool:
        """Return whether there is a member that is not null."""
        return self._optional(name) is not None

    def nested(self, name: str) -> "Members":
        """Return the members of an object."""
        return self._nest(self._required(name), name)

    def optional_nested(self, name: str) -> "Members | None":
        """Return the members of an object; None if it is missing or null."""
        return None if self._optional(name) is None else self.nested(name)

    def nested_list(self, name: str) -> "list[Members]":
        """Return the members of each object in a list."""
        return [self._nest(item, f"an item of {name}") for item in self._list(name)]

    def text(self, name: str) -> str:
        """Return a text."""
        return _text(self._required(name), name)

    def optional_text(self, name: str) -> str | None:
        """Return a text; None if it is missing or null."""
        value = self._optional(name)
        return None if value is None else _text(value, name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(_text(item, f"an item of {name}") for item in self._list(name))

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """Return a list of whole numbers from *low* to *high*."""
        return tuple(_number(item, f"an item of {name}", low, high) for item in self._list(name))

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a text that is one of *choices*."""
        value = self._required(name)
        if value not in choices:
            raise ValueError(f"{name} is not one of {', '.join(choices)}")
        return str(value)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._required(name)
        if not isinstance(value, bool):
            raise ValueError(f"{name} is neither true nor false")
        return value

    def optional_flag(self, name: str) -> bool:
        """Return true or false; false if it is missing or null."""
        return self._optional(name) is not None and self.flag(name)

    def number(self, name: str, low: int, high: int) -> int:
        """Return a whole number from *low* to *high*."""
        return _number(self._required(name), name, low, high)

    def optional_number(self, name: str, low: int, high: int) -> int | None:
        """Return such a number; None if it is missing or null."""
        return None if self._optional(name) is None else self.number(name, low, high)

    def _nest(self, value: object, name: str) -> "Members":
        self._nested.append(Members(value, name))
        return self._nested[-1]

    def _optional(self, name: str) -> Any:
        self._read.add(name)
        return self._members.get(name)

    def _required(self, name: str) -> Any:
        if name not in self._members:
            raise ValueError(f"{self._name} has no {name}")
        return self._optional(name)

    def _list(self, name: str) -> list[Any]:
        value = self._required(name)
        if not isinstance(value, list):
            raise ValueError(f"{name} is not a list")
        return value


def _number(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} is not a whole number from {low} to {high}")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} has half of a surrogate pair") from None
    return value
