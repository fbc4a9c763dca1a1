"""What else of its namespace a schedule uses, by name. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

DIRECTING: Final = ("url", "request", "destination")
"""Members of the spec that say where the content of what it refers to goes, or comes from."""


class Reference(NamedTuple):
    """One object: its resource, in the plural, and its name."""

    resource: str
    name: str


def references(spec: Any) -> frozenset[Reference]:
    """Return every Secret and claim that *spec* names, wherever it does."""
    return frozenset(_found(spec))


def to_be_granted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> frozenset[Reference]:
    """Return what a caller needs his own right to, to make the spec *old* into *new*.

    Without it somebody who may only write schedules would read a Secret by having it sent to a
    server of his. So whoever names an object, or changes where its content goes, must have the
    right to it. Other changes need none.
    """
    if old is None or any(old.get(member) != new.get(member) for member in DIRECTING):
        return references(new)
    return references(new) - references(old)


def _found(value: Any) -> Iterator[Reference]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _found(item)
    elif isinstance(value, Mapping):
        for member, inner in value.items():
            if member == "claimName":
                yield Reference("persistentvolumeclaims", inner)
            elif member.lower().endswith(("secretref", "secretkeyref")):
                yield Reference("secrets", inner["name"])
            else:
                yield from _found(inner)
