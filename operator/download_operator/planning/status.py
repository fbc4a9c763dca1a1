"""Build the status of a schedule, and decide whether it is worth a write. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from download_operator.cache.objects import Schedule
from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import DesiredState
from download_operator.planning import conditions
from download_operator.planning.conditions import ConditionState
from download_operator.planning.manual_runs import handled_requests
from download_operator.planning.missed_ticks import NEXT_RUN_GRACE, Ticks
from download_schedule.model import API_VERSION, KIND
from download_schedule.timestamps import format_time
from download_schedule.types import JSONObject


def build_status(
    snapshot: Snapshot,
    desired: DesiredState | None,
    ready: ConditionState,
    recorded: JSONObject,
    ticks: Ticks,
    refusal: str,
    now: datetime,
) -> JSONObject:
    """Return the complete status but for the ledger of ticks, which changes in no write of its own.

    Args:
        snapshot: what is known of the schedule.
        desired: what its CronJob carries out; None if it has none.
        ready: the Ready condition.
        recorded: what :func:`download_schedule.history.record` returned.
        ticks: what became of the ticks.
        refusal: why the request for a run is refused, or empty.
        now: the time, with a time zone.
    """
    status = {
        "observedGeneration": snapshot.schedule.generation,
        "conditions": _conditions(snapshot, ready, recorded["history"], now),
        **recorded,
        "counts": _with_missed(recorded["counts"], len(ticks.missed)),
        "runRequests": handled_requests(snapshot, is_refused=bool(refusal)),
        "settledUntil": ticks.settled_until and format_time(ticks.settled_until),
        "nextRunTime": ticks.next_run and format_time(ticks.next_run),
    }
    if desired:
        status["cronJobName"] = desired.manifest["metadata"]["name"]
        status["cronJobGeneration"] = expected_generation(snapshot)
        status["schedule"] = desired.cron.expression
    return {name: value for name, value in status.items() if not _is_default(value)}


def with_status(schedule: Schedule, status: JSONObject) -> JSONObject:
    """Return what is sent to write a status: the schedule with it, and without its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "namespace": schedule.namespace,
            "name": schedule.name,
            "uid": schedule.uid,
            "resourceVersion": str(schedule.resource_version),
        },
        "status": status,
    }


def expected_generation(snapshot: Snapshot) -> int:
    """Return the generation that our last write left the CronJob with.

    A different one means that somebody edited it. After a restart the status tells; before the
    first status, the CronJob is as we created it.
    """
    cron_job, last_write = snapshot.cron_job, snapshot.last_write
    if cron_job and last_write and last_write.cron_job_uid == cron_job.uid:
        return last_write.generation
    return snapshot.schedule.status.get("cronJobGeneration") or 1


def is_worth_writing(status: JSONObject, stored: Mapping[str, Any], now: datetime) -> bool:
    """Return whether *status* says something that *stored* does not.

    Three changes alone are not worth a write: ids in ``recorded`` that Kubernetes' clean-up of Jobs
    removes, ticks that passed and their ledger, and a next run that moved on while the run of its
    tick is about to cause a write anyway.
    """
    ignored = {"recorded", "settledUntil", "ticks"}
    before, after = stored.get("nextRunTime"), status.get("nextRunTime")
    if before and after and format_time(now - NEXT_RUN_GRACE) < before <= after:
        ignored.add("nextRunTime")
    return _without(status, ignored) != _without(stored, ignored)


def _conditions(
    snapshot: Snapshot, ready: ConditionState, history: list[JSONObject], now: datetime
) -> list[JSONObject]:
    schedule = snapshot.schedule
    stored = schedule.status.get("conditions", ())
    states = {"Ready": ready}
    if healthy := conditions.healthy(history, stored):
        states["Healthy"] = healthy
    return conditions.merge(stored, states, schedule.generation, format_time(now))


def _with_missed(counts: Mapping[str, int], missed: int) -> dict[str, int]:
    return {**counts, "missed": counts["missed"] + missed}


def _is_default(value: Any) -> bool:
    """Return whether readers assume *value* for an absent field: the API server pays for each."""
    return not (any(value.values()) if isinstance(value, dict) else value)


def _without(status: Mapping[str, Any], ignored: set[str]) -> JSONObject:
    return {name: value for name, value in status.items() if name not in ignored}
