"""A new schedule as callers send it, and the resource for it."""

from typing import Any

from download_api.schema.models import NewSchedule
from download_api.schema.to_resource import build_resource


def new_schedule(**members: Any) -> NewSchedule:
    """Return a new schedule that runs at 02:00 every day, with these members changed."""
    defaults = {"name": "Report", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
    return NewSchedule.model_validate({**defaults, **members})


def resource(**spec: Any) -> dict[str, Any]:
    """Return the stored resource `team/report`, with these members of its spec changed."""
    built = build_resource(new_schedule(), "team", "report")
    metadata = {
        **built["metadata"],
        "uid": "u",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-23T00:00:00Z",
    }
    return {**built, "metadata": metadata, "spec": {**built["spec"], **spec}}
