"""Change an existing CronJob: what others added beside our fields stays. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_schedule.names import SPEC_HASH_ANNOTATION, STOPPED
from download_schedule.timestamps import format_time
from download_schedule.types import JSONObject

_FIRING_FIELDS: Final = ("schedule", "timeZone", "suspend")


def changes_firing_times(current: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Return whether a CronJob's spec fires at other times than the desired one."""
    return any(current.get(field) != desired[field] for field in _FIRING_FIELDS)


def with_last_schedule_time(cron_job: JSONObject, now: datetime) -> JSONObject:
    """Return the CronJob with ``lastScheduleTime`` set to now.

    The CronJob controller looks for ticks since then, by the new expression. So it does not catch
    up on ticks before the edit.
    """
    status = {**cron_job.get("status", {}), "lastScheduleTime": format_time(now)}
    return {**cron_job, "status": status}


def as_suspended(current: JSONObject) -> JSONObject:
    """Return the CronJob suspended, and marked as not carrying out its schedule's spec."""
    annotations = {**current["metadata"].get("annotations", {}), SPEC_HASH_ANNOTATION: STOPPED}
    return {
        **current,
        "metadata": {**current["metadata"], "annotations": annotations},
        "spec": {**current["spec"], "suspend": True},
    }


def merge_into_current(current: JSONObject, desired: JSONObject) -> JSONObject:
    """Return the current CronJob with our metadata added; the spec is ours alone."""
    theirs, ours = current["metadata"], desired["metadata"]
    metadata = {
        **theirs,
        "labels": {**theirs.get("labels", {}), **ours["labels"]},
        "annotations": {**theirs.get("annotations", {}), **ours["annotations"]},
        "ownerReferences": ours["ownerReferences"],
    }
    return {**current, "metadata": metadata, "spec": desired["spec"]}
