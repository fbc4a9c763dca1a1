"""What callers send, and the resource made of it."""

from typing import Any

from download_api.schema.models import NewSchedule
from download_api.schema.to_resource import manifest


def new(**members: Any) -> NewSchedule:
    given = {"name": "Report", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
    return NewSchedule.model_validate({**given, **members})


def resource(**spec: Any) -> dict[str, Any]:
    made = manifest(new(), "team", "report")
    metadata = {**made["metadata"], "uid": "u", "creationTimestamp": "2026-11-23T00:00:00Z"}
    return {**made, "metadata": metadata, "spec": {**made["spec"], **spec}}
