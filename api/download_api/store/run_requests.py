"""Requests for a run now: an annotation on the schedule, which the operator takes up."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from download_api.problems.problem import ProblemError
from download_api.schema.runs import has_pending_request, is_run_requested
from download_api.schema.ticks import read_requested_tick
from download_api.schema.to_resource import MERGE_PATCH
from download_api.store.conflicts import ConflictRetries
from download_api.store.requests import dry_run_query, path_of
from download_api.store.schedules import ScheduleStore
from download_api.tracing import Trace
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_schedule.model import ConcurrencyPolicy
from download_schedule.names import RUN_REQUESTED_ANNOTATION, RUN_TICK_ANNOTATION
from download_schedule.types import JSONObject


class RunRequests:
    """Requests runs of the schedules in the cluster."""

    def __init__(
        self,
        client: KubeClient,
        schedules: ScheduleStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._schedules = schedules
        self._clock = clock

    async def submit(
        self,
        schedule_id: str,
        token: str,
        tick: str | None,
        if_match: str | None,
        trace: Trace,
        *,
        dry_run: bool,
    ) -> JSONObject:
        """Ask the operator for a run; return the schedule.

        Args:
            schedule_id: which schedule to run.
            token: identifies the request. The same token again requests no other run.
            tick: which tick the run is for; None for none.
            if_match: ETags, of which the schedule must have one; None allows any.
            trace: goes into the annotations.
            dry_run: check everything, but request nothing.

        Raises:
            ProblemError: 404, the schedule does not exist; 412, it has another ETag; 422, it is in
                a namespace where nothing runs, or has no such tick; 409, see
                :func:`check_run_allowed`.
            ApiError: 409, somebody else keeps writing the schedule.
        """
        async with self._schedules.updates:
            retries = ConflictRetries()
            while True:
                schedule = await self._schedules.get(schedule_id, if_match)
                self._schedules.check_served(schedule["metadata"]["namespace"])
                time = read_requested_tick(schedule, tick, self._clock())
                if is_run_requested(schedule, token, time):
                    return schedule
                check_run_allowed(schedule)
                # None removes the tick of an earlier request.
                requested = {RUN_REQUESTED_ANNOTATION: token, RUN_TICK_ANNOTATION: time}
                patch = {
                    "metadata": {
                        "resourceVersion": schedule["metadata"]["resourceVersion"],
                        "annotations": {**trace.annotations(), **requested},
                    }
                }
                try:
                    return await self._client.request(
                        "PATCH",
                        path_of(schedule),
                        patch,
                        dry_run_query(dry_run),
                        content_type=MERGE_PATCH,
                    )
                except ApiError as error:
                    retries.spend(error)


def check_run_allowed(schedule: Mapping[str, Any]) -> None:
    """Return only if another run can be requested now. Pure.

    Raises:
        ProblemError: 409, a run is active and the concurrencyPolicy forbids another one; or the
            operator has not taken up the previous request, which this one would overwrite.
    """
    policy = schedule["spec"].get("concurrencyPolicy", ConcurrencyPolicy.FORBID)
    if policy == ConcurrencyPolicy.FORBID and schedule.get("status", {}).get("active"):
        raise ProblemError(
            409,
            "run_active",
            "A run is active and concurrency_policy is Forbid; wait until it ends.",
            {"Retry-After": "5"},
        )
    if has_pending_request(schedule):
        raise ProblemError(
            409,
            "conflict",
            "Another run was requested and has not started; try again in a moment.",
            {"Retry-After": "1"},
        )
