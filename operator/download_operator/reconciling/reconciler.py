"""Bring one schedule at a time up to date: decide, act, and decide again until there is no more.

An action changes what is known, so each decision is made on a new snapshot.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from download_kube.errors import ApiError
from download_operator.cache.cache import ClusterCache
from download_operator.cache.egress import EgressCache
from download_operator.cache.objects import Schedule
from download_operator.cache.snapshot import Key
from download_operator.manifests.cron_job import (
    DesiredState,
    ScheduleRefusedError,
    build_desired_state,
)
from download_operator.planning.actions import StartRun, StopRun, Wait
from download_operator.planning.plan import plan
from download_operator.pod_egress import PodEgress
from download_operator.reconciling.executor import Executor
from download_operator.settings import Settings

MAX_WAIT_SECONDS: Final = 600.0
"""A timer does not notice that the clock was set, so no wait for a time is longer."""
MAX_STEPS: Final = 10
"""A schedule needs two actions and rarely four. One that needs more waits for its next turn."""
MAX_DESIRED_STATES: Final = 500
"""Desired states in memory, about 10 kB each."""


class UnsettledError(Exception):
    """Our actions do not bring a schedule nearer to what it should be."""


class Reconciler:
    """Reconciles schedules.

    Args:
        cache: what is known of the cluster.
        executor: carries actions out, and puts the responses into *cache*.
        settings: the operator's settings.
        egress: where downloads may connect to.
        clock: returns the time, with a time zone.
    """

    def __init__(
        self,
        cache: ClusterCache,
        executor: Executor,
        settings: Settings,
        egress: EgressCache,
        clock: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._settings = settings
        self._egress = egress
        self._clock = clock
        self._desired: dict[tuple[str, int, PodEgress], DesiredState | ScheduleRefusedError] = {}
        """By UID, generation and egress, oldest first."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring one schedule up to date; return the seconds to wait before the next look.

        None means that only an event can change anything.

        Raises:
            ApiError, UnreachableError: try again later.
            UnsettledError: something undoes what we do.
            LeaseLostError: another replica may hold the Lease.
        """
        refused_run: ApiError | None = None
        for _ in range(MAX_STEPS):
            # 1. What is known?
            snapshot = self._cache.snapshot(key)
            if snapshot is None:
                return None
            # 2. What is to be done?
            now = self._clock()
            desired = self._desired_state(snapshot.schedule)
            action = plan(snapshot, desired, now, may_start_run=refused_run is None)
            # 3. Nothing: wait.
            if isinstance(action, Wait):
                if refused_run:
                    raise refused_run
                return _seconds_until(action.until, now)
            # 4. Something: do it, and look again.
            try:
                await self._executor.carry_out(action, snapshot)
            except ApiError as error:
                if not isinstance(action, StartRun | StopRun):
                    raise
                refused_run = error  # the results of other runs are recorded nevertheless
        raise UnsettledError(f"not settled after {MAX_STEPS} steps")

    def _desired_state(self, schedule: Schedule) -> DesiredState | ScheduleRefusedError:
        """Return what the schedule asks for, or why it is refused."""
        egress = self._egress.find(schedule.namespace)
        version = schedule.uid, schedule.generation, egress
        if version not in self._desired:
            try:
                self._desired[version] = build_desired_state(schedule, self._settings, egress)
            except ScheduleRefusedError as error:
                self._desired[version] = error
            if len(self._desired) > MAX_DESIRED_STATES:
                del self._desired[next(iter(self._desired))]
        return self._desired[version]


def _seconds_until(until: datetime | None, now: datetime) -> float | None:
    return min((until - now).total_seconds(), MAX_WAIT_SECONDS) if until else None
