"""Edit a CronJob that is there already: what others put beside ours stays. Pure."""

from datetime import datetime
from typing import Any

from download_schedule.names import SPEC_HASH_ANNOTATION, STOPPED
from download_schedule.timestamps import format_time

JSON = dict[str, Any]


def fires_otherwise(current: JSON, wanted: JSON) -> bool:
    """Whether two specs of CronJobs have other ticks."""
    return any(current.get(part) != wanted[part] for part in ("schedule", "timeZone", "suspend"))


def anew(cron_job: JSON, now: datetime) -> JSON:
    """Have the ticks of the past count as done: else the latest of them would fire at once.

    The CronJob controller looks for ticks since ``lastScheduleTime``, by the new expression.
    """
    status = {**cron_job.get("status", {}), "lastScheduleTime": format_time(now)}
    return {**cron_job, "status": status}


def suspended(current: JSON) -> JSON:
    """Return the CronJob suspended, and marked as not what its schedule asks for."""
    annotations = {**current["metadata"].get("annotations", {}), SPEC_HASH_ANNOTATION: STOPPED}
    return {
        **current,
        "metadata": {**current["metadata"], "annotations": annotations},
        "spec": {**current["spec"], "suspend": True},
    }


def merged(current: JSON, manifest: JSON) -> JSON:
    """Return ours over theirs; the spec is ours alone."""
    theirs, ours = current["metadata"], manifest["metadata"]
    metadata = {
        **theirs,
        "labels": {**theirs.get("labels", {}), **ours["labels"]},
        "annotations": {**theirs.get("annotations", {}), **ours["annotations"]},
        "ownerReferences": ours["ownerReferences"],
    }
    return {**current, "metadata": metadata, "spec": manifest["spec"]}
