"""From the resource to what callers see, and back to its name. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_api.casing import snake
from download_api.schema.cron import next_run
from download_api.schema.models import NewSchedule, Schedule
from download_schedule.model import Spec
from download_schedule.validation import FROM_API_SERVER

JSON = dict[str, Any]

DISPLAY_NAME: Final = "downloads.dev/display-name"
"""Annotation: the name that people gave it, which may be any text."""
MAX_SLUG: Final = 45
"""Leaves room for a suffix and for what Kubernetes appends to a CronJob's Jobs."""

_ID: Final = re.compile(
    r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
_SHOWN_DEFAULTS: Final = {
    member: snake(value)
    for member, value in Spec(url="http://x", schedule="@daily").to_resource().items()
}


def split_id(schedule_id: str) -> tuple[str, str] | None:
    """Return namespace and name, or None where no schedule can have that id."""
    found = _ID.fullmatch(schedule_id)
    return (found[1], found[2]) if found else None


def slug(name: str) -> str:
    """Return a resource name that resembles *name*: 1 to 45 characters of a-z, 0-9 and -."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG].strip("-") or "schedule"


def etag(resource: Mapping[str, Any]) -> str:
    """Return what changes whenever what the user wants does.

    Kubernetes counts a generation for changes of the spec only; the name is none.
    """
    metadata = resource["metadata"]
    digest = hashlib.sha256(_shown_name(resource).encode()).hexdigest()[:8]
    return f'"{metadata["uid"]}-{metadata["generation"]}-{digest}"'


def is_expected(resource: Mapping[str, Any], if_match: str | None) -> bool:
    """Whether a resource has one of the ETags that If-Match names; None: any will do."""
    named = {tag.strip() for tag in (if_match or "").split(",")}
    return if_match is None or bool(named & {etag(resource), "*"})


def schedule(resource: Mapping[str, Any], now: datetime) -> Schedule:
    """Return a resource as callers see it, also one that could not be made any more."""
    metadata, spec = resource["metadata"], resource["spec"]
    ready = _condition(resource, "Ready")
    is_ready = ready.get("status") == "True"
    suspended = spec.get("suspend", False)
    return Schedule.model_validate(
        {
            **wishes(resource),
            "id": f"{metadata['namespace']}.{metadata['name']}",
            "created_at": metadata["creationTimestamp"],
            "next_run_time": None if suspended else next_run(spec, metadata["uid"], now),
            "last_status": last_status(resource),
            "namespace": metadata["namespace"],
            "resource": metadata["name"],
            "ready": is_ready,
            "message": None
            if is_ready
            else ready.get("message", "The operator has not seen it yet."),
        },
        context=FROM_API_SERVER,
    )


def last_status(resource: Mapping[str, Any]) -> str | None:
    """Return how the newest run stands; None before the first."""
    history = resource.get("status", {}).get("history", ())
    return history[0]["state"].lower() if history else None


def wishes(resource: Mapping[str, Any]) -> JSON:
    """Return what a resource says, as the members of a new schedule; all but its namespace."""
    spec = resource["spec"]
    members = {name: _filled(spec, MEMBERS[name]) for name in MEMBERS}
    headers = members["request"].pop("headers", ())
    return {
        **members,
        "name": _shown_name(resource),
        "enabled": not spec.get("suspend", False),
        "destination": members["destination"] or None,
        "headers": {h["name"]: h["value"] for h in headers if "value" in h},
        "secret_headers": {
            h["name"]: h["value_from"]["secret_key_ref"] for h in headers if "value_from" in h
        },
    }


def _shown_name(resource: Mapping[str, Any]) -> str:
    metadata = resource["metadata"]
    name: str = metadata.get("annotations", {}).get(DISPLAY_NAME, metadata["name"])
    return name


def _filled(stored: Mapping[str, Any], member: str) -> Any:
    value = stored.get(member)
    default = _SHOWN_DEFAULTS.get(member)
    if isinstance(default, Mapping):
        return {**default, **snake(value or {})}
    return default if value is None else snake(value)


_APART: Final = frozenset({"name", "namespace", "headers", "secret_headers", "enabled"})
_RENAMED: Final = {"cron_expression": "schedule"}
MEMBERS: Final = {
    name: Spec.model_fields[_RENAMED.get(name, name)].alias or name
    for name in NewSchedule.model_fields
    if name not in _APART
}
"""Members of a new schedule that are one of the resource's spec, and how that spells it."""


def _condition(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = resource.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})
