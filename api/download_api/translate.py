"""Between the API's shapes and the resource. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from download_api.problems import ProblemError
from download_api.shapes import Destination, Execution, NewSchedule, Schedule
from download_schedule import cron
from download_schedule.history import is_terminal
from download_schedule.model import API_VERSION, KIND, State
from download_schedule.model import Spec as ResourceSpec

JSON = dict[str, Any]

DISPLAY_NAME: Final = "downloads.dev/display-name"
"""Annotation: the name that people gave it, which may be any text."""
MAX_SLUG: Final = 45
"""Leaves room for a suffix and for what Kubernetes appends to a CronJob's Jobs."""

_ID: Final = re.compile(
    r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
_BUILT_FORMATS: Final = frozenset({"raw"})


def split_id(schedule_id: str) -> tuple[str, str] | None:
    """Return namespace and name, or None where no schedule can have that id."""
    found = _ID.fullmatch(schedule_id)
    return (found[1], found[2]) if found else None


def slug(name: str) -> str:
    """Return a resource name that resembles *name*: 1 to 45 characters of a-z, 0-9 and -."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG].strip("-") or "schedule"


def manifest(new: NewSchedule, namespace: str, name: str) -> JSON:
    """Return the resource that *new* asks for.

    Raises:
        ProblemError: 400 for a bad cron expression, as in the seed; 422 for anything else.
    """
    if new.format not in _BUILT_FORMATS:
        raise ProblemError(
            422, "validation_error", f"format: {new.format} is not available yet; write raw"
        )
    _check_cron(new)
    try:
        spec = ResourceSpec.model_validate(_spec(new))
    except ValidationError as error:
        sentences = "; ".join(f"{_field(e['loc'])}: {e['msg']}" for e in error.errors())
        raise ProblemError(422, "validation_error", sentences) from None
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": {DISPLAY_NAME: new.name},
        },
        "spec": spec.to_resource(),
    }


def schedule(resource: Mapping[str, Any], now: datetime) -> Schedule:
    """Return a resource as callers see it."""
    metadata, spec = resource["metadata"], resource["spec"]
    ready = _condition(resource, "Ready")
    is_ready = ready.get("status") == "True"
    volume = spec.get("destination", {}).get("volume")
    headers = spec.get("request", {}).get("headers", [])
    enabled = not spec.get("suspend", False)
    return Schedule(
        id=f"{metadata['namespace']}.{metadata['name']}",
        name=metadata.get("annotations", {}).get(DISPLAY_NAME, metadata["name"]),
        url=spec["url"],
        cron_expression=spec["schedule"],
        format=spec.get("format", "raw"),
        headers={header["name"]: header["value"] for header in headers},
        enabled=enabled,
        created_at=metadata["creationTimestamp"],
        next_run_time=_next_run(resource, now) if enabled else None,
        namespace=metadata["namespace"],
        resource=metadata["name"],
        time_zone=spec.get("timeZone", "Etc/UTC"),
        destination=Destination(claim_name=volume["claimName"], path=volume.get("path"))
        if volume
        else None,
        ready=is_ready,
        message=None if is_ready else ready.get("message", "The operator has not seen it yet."),
    )


def execution(schedule_id: str, run: Mapping[str, Any]) -> Execution:
    """Return an entry of the history as callers see it."""
    started, completed = _moment(run.get("startTime")), _moment(run.get("completionTime"))
    failed = run["state"] == State.FAILED
    return Execution(
        execution_id=run["id"],
        schedule_id=schedule_id,
        status=run["state"].lower(),
        started_at=started,
        completed_at=completed,
        duration=(completed - started).total_seconds() if started and completed else None,
        success=run["state"] == State.COMPLETED if is_terminal(run) else None,
        content_size=run.get("bytes"),
        attempt=max(run.get("attempts", 1), 1),
        error_message=(run.get("message") or run.get("reason")) if failed else None,
        trigger=run["trigger"].lower(),
        scheduled_at=_moment(run.get("scheduledTime")),
        reason=run.get("reason"),
        sha256=run.get("sha256"),
        http_status=run.get("httpStatus"),
        content_type=run.get("contentType"),
        location=run.get("location"),
    )


def _check_cron(new: NewSchedule) -> None:
    try:
        cron.parse(new.cron_expression, new.time_zone, uid="")
    except cron.CronError as error:
        kind = "invalid_cron_expression"
        if "timeZone" in str(error):
            raise ProblemError(422, "validation_error", str(error)) from None
        raise ProblemError(400, kind, f"cron_expression: {error}") from None


def _spec(new: NewSchedule) -> JSON:
    spec: JSON = {
        "url": new.url,
        "schedule": new.cron_expression,
        "timeZone": new.time_zone,
        "suspend": not new.enabled,
        "format": new.format,
        "request": {"headers": [{"name": n, "value": v} for n, v in new.headers.items()]},
        "concurrencyPolicy": new.concurrency_policy,
        "startingDeadlineSeconds": new.starting_deadline_seconds,
        "backoffLimit": new.backoff_limit,
        "activeDeadlineSeconds": new.active_deadline_seconds,
        "historyLimit": new.history_limit,
    }
    if new.destination:
        volume = {"claimName": new.destination.claim_name, "path": new.destination.path}
        spec["destination"] = {"volume": {k: v for k, v in volume.items() if v is not None}}
    return spec


_FIELDS: Final = {"schedule": "cron_expression", "suspend": "enabled"}


def _field(location: tuple[int | str, ...]) -> str:
    """Return where a field of the resource is in the API's own shape."""
    parts = [str(part) for part in location if part not in ("request", "volume")]
    spelled = (re.sub(r"(?<=[a-z])([A-Z])", r"_\1", part).lower() for part in parts)
    return ".".join(_FIELDS.get(part, part) for part in spelled)


def _next_run(resource: Mapping[str, Any], now: datetime) -> datetime | None:
    spec = resource["spec"]
    try:
        ticks = cron.parse(
            spec["schedule"], spec.get("timeZone", "Etc/UTC"), uid=resource["metadata"]["uid"]
        )
    except cron.CronError:
        return None
    return ticks.next(now)


def _condition(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = resource.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
