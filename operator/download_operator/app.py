"""Put the operator together: watches fill the cache, a queue of changes drives the reconciles.

kopf starts and stops what is here, see :mod:`download_operator.handlers`.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from download_kube.client import KubeClient
from download_kube.errors import ApiError, UnreachableError
from download_kube.lease import Lease, LeaseLostError
from download_kube.login import login
from download_kube.paths import ALL_NAMESPACES
from download_kube.reflector import Reflector
from download_operator.cache.cache import ClusterCache
from download_operator.cache.egress import EgressCache
from download_operator.cache.snapshot import Key
from download_operator.egress_sources import EgressSources
from download_operator.health import serve_health
from download_operator.mirror import Mirror, within
from download_operator.monitor import Monitor
from download_operator.reconciling.executor import Executor
from download_operator.reconciling.reconciler import Reconciler
from download_operator.reconciling.requests import Requests
from download_operator.reconciling.work_queue import WorkQueue
from download_operator.settings import Settings

log = logging.getLogger(__name__)

USER_AGENT: Final = "download-operator"
"""Also the name under which the API server records the fields that we write."""
REQUEST_TIMEOUT_SECONDS: Final = 30.0

_EXPECTED_ERRORS: Final = (ApiError, LeaseLostError, UnreachableError)
"""Failures of a reconcile that need no traceback in the log."""


@asynccontextmanager
async def running_operator(settings: Settings) -> AsyncIterator["Operator"]:
    """Run an operator until the block ends, and then stop it in good order.

    Raises:
        NoClusterError: there is no cluster to log in to.
        PortError: the health port cannot be opened.
    """
    client = KubeClient(login, USER_AGENT, REQUEST_TIMEOUT_SECONDS)
    try:
        operator = Operator(client, settings)
        async with serve_health(operator.monitor, settings.health_port):
            running = asyncio.create_task(operator.run())
            try:
                yield operator
            finally:
                running.cancel()
                await asyncio.wait([running])
        if not operator.has_failed:
            await operator.lease.release()
    finally:
        await client.close()


class Operator:
    """All parts of the operator.

    Args:
        client: connection to the API server.
        settings: the operator's settings.
    """

    def __init__(self, client: KubeClient, settings: Settings) -> None:
        self.has_failed = False
        """True once the operator has ended by itself."""
        self.lease = Lease(client, settings.lease_namespace, settings.identity)
        self._cache = ClusterCache(self._enqueue, _now)
        executor = Executor(Requests(client, self.lease), self._cache, _now)
        egress = EgressCache(settings.egress, self._enqueue_namespaces)
        self._egress_sources = EgressSources(client, egress, settings.egress)
        self._reconciler = Reconciler(self._cache, executor, settings, egress, _now)
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile, _EXPECTED_ERRORS)
        self._workers = settings.workers
        scopes = settings.namespaces or (ALL_NAMESPACES,)
        self._mirrors = [Mirror(client, self._cache, scope) for scope in scopes]
        self._served: set[str] = set()
        """Scopes whose schedules are reconciled."""
        reflectors = tuple(reflector for mirror in self._mirrors for reflector in mirror.all)
        reflectors += self._egress_sources.reflectors
        self.monitor = Monitor(client, self.lease, self._cache, self._queue, reflectors)

    async def run(self) -> None:
        """Work until cancelled. If a part fails, end all of them and ask kopf to stop."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for mirror in self._mirrors:
                    tasks.create_task(self._serve(mirror))
                for _ in range(self._workers):
                    tasks.create_task(self._queue.work())
                tasks.create_task(self.lease.hold())
                tasks.create_task(self._egress_sources.run())
                tasks.create_task(self._announce_standby())
        except* LeaseLostError as lost:
            log.error("%s: ending", lost.exceptions[0])
            self._stop_process()
        except* Exception:
            log.exception("ending, so that Kubernetes starts the operator again")
            self._stop_process()

    async def _serve(self, mirror: Mirror) -> None:
        """Serve one scope.

        A scope that we may not read, or that does not exist, does not keep the others waiting.
        """
        async with asyncio.TaskGroup() as tasks:
            # 1. Mirror everything while standing by.
            standby = tasks.create_task(mirror.run())
            # 2. Wait for the right to write.
            await self.lease.acquired.wait()
            # 3. List everything again. A late watch could miss Jobs that the previous leader has
            # recorded: we would report them as deleted, or count them twice. What we saw while
            # standing by stays: such Jobs may have been cleaned up since.
            standby.cancel()
            await asyncio.wait([standby])
            tasks.create_task(mirror.run())
            # 4. Wait until everything is known: only then is an unknown Job a deleted Job.
            await _synced(mirror.all)
            await self._egress_sources.wait_until_known()
            self._cache.start_observing()
            # 5. Reconcile every schedule once, and from then on those that change.
            self._served.add(mirror.scope)
            for schedule in within(mirror.scope, self._cache.schedules()):
                self._queue.add((schedule.namespace, schedule.name))
            if len(self._served) == len(self._mirrors):
                log.info("cache synced, Lease acquired: working")

    async def _announce_standby(self) -> None:
        for mirror in self._mirrors:
            await _synced(mirror.all)
        if not self.lease.acquired.is_set():
            log.info("cache synced, standing by for the Lease")

    def _enqueue(self, key: Key) -> None:
        if not self._served.isdisjoint((key[0], ALL_NAMESPACES)):
            self._queue.add(key)

    def _enqueue_namespaces(self, names: Collection[str]) -> None:
        for schedule in self._cache.schedules():
            if schedule.namespace in names:
                self._enqueue((schedule.namespace, schedule.name))

    async def _reconcile(self, key: Key) -> float | None:
        delay = await self._reconciler.reconcile(key)
        if self._cache.snapshot(key) is None:
            self._queue.forget(key)
        return delay

    def _stop_process(self) -> None:
        """Have kopf stop the process as at a SIGTERM of the kubelet."""
        self.has_failed = True
        signal.raise_signal(signal.SIGTERM)


async def _synced(reflectors: Iterable[Reflector[Any]]) -> None:
    for reflector in reflectors:
        await reflector.synced.wait()


def _now() -> datetime:
    return datetime.now(UTC)
