"""The names of a schedule: its id in the API, its resource's name, and the name people gave it."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

DISPLAY_NAME_ANNOTATION: Final = "downloads.dev/display-name"
"""The name that people gave the schedule. It can be any text."""
MAX_SLUG_LENGTH: Final = 45
"""Leaves room for a suffix, and for what Kubernetes appends to the names of a CronJob's Jobs."""

_ID: Final = re.compile(
    r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)


def schedule_id(resource: Mapping[str, Any]) -> str:
    """Return the id under which the API shows a resource."""
    return f"{resource['metadata']['namespace']}.{resource['metadata']['name']}"


def split_id(schedule_id: str) -> tuple[str, str] | None:
    """Return namespace and name, or None if no schedule can have that id."""
    match = _ID.fullmatch(schedule_id)
    return (match[1], match[2]) if match else None


def slug(name: str) -> str:
    """Return a resource name that resembles *name*: 1 to 45 characters of a-z, 0-9 and ``-``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG_LENGTH].strip("-") or "schedule"


def display_name(resource: Mapping[str, Any]) -> str:
    """Return the name that people gave a schedule, or its resource's name if they gave none."""
    metadata = resource["metadata"]
    name: str = metadata.get("annotations", {}).get(DISPLAY_NAME_ANNOTATION, metadata["name"])
    return name
