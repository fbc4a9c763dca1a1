"""From the resource to the schedule that callers see. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_api.casing import keys_to_snake_case
from download_api.schema.cron import next_run
from download_api.schema.ids import display_name, schedule_id
from download_api.schema.models import NewSchedule, Schedule
from download_schedule.model import Spec
from download_schedule.types import JSONObject
from download_schedule.validation import FROM_API_SERVER

_CONVERTED_APART: Final = frozenset({"name", "namespace", "headers", "secret_headers", "enabled"})
_RENAMED: Final = {"cron_expression": "schedule"}
SPEC_MEMBERS: Final = {
    name: Spec.model_fields[_RENAMED.get(name, name)].alias or name
    for name in NewSchedule.model_fields
    if name not in _CONVERTED_APART
}
"""Members of a new schedule that are members of the resource's spec, and their names there."""

_DEFAULTS: Final = {
    member: keys_to_snake_case(value)
    for member, value in Spec(url="http://x", schedule="@daily").to_resource().items()
}


def to_schedule(resource: Mapping[str, Any], now: datetime) -> Schedule:
    """Return a resource as callers see it.

    The rules for new schedules are not applied: a stored resource may be older than a rule.
    """
    metadata, spec = resource["metadata"], resource["spec"]
    fields = to_fields(resource)
    ready = _condition(resource, "Ready")
    is_ready = ready.get("status") == "True"
    return Schedule.model_validate(
        {
            **fields,
            "id": schedule_id(resource),
            "created_at": metadata["creationTimestamp"],
            "next_run_time": next_run(spec, metadata["uid"], now) if fields["enabled"] else None,
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


def to_fields(resource: Mapping[str, Any]) -> JSONObject:
    """Return what a resource's author wrote, as members of a new schedule without namespace."""
    spec = resource["spec"]
    fields = {name: _with_defaults(spec, member) for name, member in SPEC_MEMBERS.items()}
    headers = fields["request"].pop("headers", ())
    return {
        **fields,
        "name": display_name(resource),
        "enabled": not spec.get("suspend", False),
        "destination": fields["destination"] or None,
        "headers": {h["name"]: h["value"] for h in headers if "value" in h},
        "secret_headers": {
            h["name"]: h["value_from"]["secret_key_ref"] for h in headers if "value_from" in h
        },
    }


def last_status(resource: Mapping[str, Any]) -> str | None:
    """Return the status of the newest run, or None before the first."""
    history = resource.get("status", {}).get("history", ())
    return history[0]["state"].lower() if history else None


def _with_defaults(spec: Mapping[str, Any], member: str) -> Any:
    value, default = spec.get(member), _DEFAULTS.get(member)
    if isinstance(default, Mapping):
        return {**default, **keys_to_snake_case(value or {})}
    return default if value is None else keys_to_snake_case(value)


def _condition(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = resource.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})
