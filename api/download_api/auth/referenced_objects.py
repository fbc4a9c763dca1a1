"""Other objects of its namespace that a schedule uses by name. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

DIRECTING_MEMBERS: Final = ("url", "request", "destination", "keepLast")
"""Members of the spec that decide where the content of a referenced object is sent or comes from,
and which of its files are deleted."""


class Reference(NamedTuple):
    """A reference to one object."""

    resource: str
    """Plural name of the object's resource."""
    name: str


def find_references(spec: Any) -> frozenset[Reference]:
    """Return every Secret and claim that *spec* names, at any depth."""
    return frozenset(_walk(spec))


def references_to_authorize(
    old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> frozenset[Reference]:
    """Return the references that the caller needs permission for to change *old* into *new*.

    Otherwise someone who may only write schedules could read a Secret, by having it sent to a
    server of their own. So the caller needs permission for each object that they add, and for all
    of them if they change where content goes. Other changes need none.

    Args:
        old: spec before the change; None for a new schedule.
        new: spec after the change.
    """
    if old is None or any(old.get(member) != new.get(member) for member in DIRECTING_MEMBERS):
        return find_references(new)
    return find_references(new) - find_references(old)


def _walk(value: Any) -> Iterator[Reference]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, Mapping):
        for member, inner in value.items():
            if member == "claimName":
                yield Reference("persistentvolumeclaims", inner)
            elif member.lower().endswith(("secretref", "secretkeyref")):
                yield Reference("secrets", inner["name"])
            else:
                yield from _walk(inner)
