"""Put the operator together: kopf runs it, reflectors see, a queue works."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any, Final, TypeVar

import kopf

from download_kube import paths
from download_kube.client import ApiError, KubeClient, UnreachableError
from download_kube.lease import Lease, LeaseLostError
from download_kube.login import login
from download_kube.paths import ALL_NAMESPACES
from download_kube.reflector import KubeObject, Reflector
from download_operator.cache import objects
from download_operator.cache.cache import Key, Picture
from download_operator.health import Monitor
from download_operator.reconciler import Controller
from download_operator.settings import Settings
from download_operator.work_queue import WorkQueue, retry_delay
from download_schedule.model import PLURAL
from download_schedule.names import SCHEDULE_UID_LABEL

log = logging.getLogger(__name__)

FIELD_MANAGER: Final = "download-operator"
"""Name under which the API server records the fields that we write."""
REQUEST_TIMEOUT_SECONDS: Final = 30.0

V = TypeVar("V", bound=KubeObject)

_FORESEEN: Final = (ApiError, LeaseLostError, UnreachableError)
"""Failures of a reconcile that need no traceback in the log."""


async def run(settings: Settings) -> None:
    """Operate until the process gets SIGTERM or SIGINT.

    Raises:
        ExceptionGroup: a part of the operator failed; Kubernetes should start it again.
    """
    client = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
    try:
        await _Operator(client, settings).run()
    finally:
        await client.close()


class _Operator:
    def __init__(self, client: KubeClient, settings: Settings) -> None:
        clock = _now
        self._settings = settings
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile, _FORESEEN)
        self._picture = Picture(self._changed, clock)
        self._lease = Lease(client, settings.lease_namespace, settings.identity)
        self._controller = Controller(client, self._lease, self._picture, settings, clock)
        places = settings.namespaces or (ALL_NAMESPACES,)
        self._places = {place: _reflectors(client, self._picture, place) for place in places}
        self._jobs = {place: _jobs(client, self._picture, place) for place in places}
        self._reflectors = list(chain.from_iterable(self._places.values()))
        self._served: set[str] = set()
        watches = [*self._reflectors, *self._jobs.values()]
        self._monitor = Monitor(client, self._lease, self._picture, self._queue, watches)

    async def run(self) -> None:
        async with self._monitor.serve(self._settings.health_port):
            await self._operate()
        await self._lease.release()

    async def _operate(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            # All before kopf starts: when it stops, it waits for every task younger than itself.
            parts = [tasks.create_task(reflector.run()) for reflector in self._reflectors]
            standing_by = {p: tasks.create_task(jobs.run()) for p, jobs in self._jobs.items()}
            for place, mirror in standing_by.items():
                parts.append(mirror)
                parts.append(tasks.create_task(self._list_jobs_again(place, mirror)))
                parts.append(tasks.create_task(self._serve(place, mirror)))
            parts += [tasks.create_task(self._queue.work()) for _ in range(self._settings.workers)]
            parts += [tasks.create_task(self._lease.hold()), tasks.create_task(self._announce())]
            await kopf.operator(
                registry=self._registry(),
                settings=_kopf_settings(),
                standalone=True,
                # Without one kopf asks the system for a user name, which a container has not;
                # the type of it is private to kopf.
                identity="download-operator",  # type: ignore[arg-type]
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
            )
            for part in parts:
                part.cancel()

    async def _list_jobs_again(self, place: str, standing_by: asyncio.Task[None]) -> None:
        """Mirror the Jobs from a list made with the Lease in our hands.

        What its last holder recorded of Jobs that we have not yet heard of would be taken for lost,
        or counted again; what we have heard of may be gone from the list before it was recorded.
        """
        await self._lease.acquired.wait()
        standing_by.cancel()
        await asyncio.wait([standing_by])
        await self._jobs[place].run()

    async def _serve(self, place: str, standing_by: asyncio.Task[None]) -> None:
        """Begin only when its picture is complete: a Job not yet heard of is not a Job deleted.

        A place to which we have no right is not to keep the others waiting.
        """
        await asyncio.wait([standing_by])
        await _complete([*self._places[place], self._jobs[place]])
        self._picture.begin()
        self._served.add(place)
        for schedule in self._picture.schedules():
            self._changed((schedule.namespace, schedule.name))
        if self._served.issuperset(self._places):
            log.info("the picture is complete and the Lease ours: working")

    def _changed(self, key: Key) -> None:
        if not self._served.isdisjoint((key[0], ALL_NAMESPACES)):
            self._queue.add(key)

    async def _announce(self) -> None:
        await _complete(self._reflectors)
        if not self._lease.acquired.is_set():
            log.info("standing by for the Lease")

    async def _reconcile(self, key: Key) -> float | None:
        delay = await self._controller.reconcile(key)
        if self._picture.snapshot(key) is None:
            self._queue.forget(key)
        return delay

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        return registry


async def _complete(reflectors: Iterable[Reflector[Any]]) -> None:
    for reflector in reflectors:
        await reflector.synced.wait()


def _reflectors(client: KubeClient, picture: Picture, place: str) -> list[Reflector[Any]]:
    """Mirror all but the Jobs."""
    return [
        Reflector(
            client,
            paths.collection(paths.SCHEDULES, place, PLURAL),
            "",
            objects.schedule_of,
            picture.put_schedule,
            picture.remove_schedule,
            lambda: _within(place, picture.schedules()),
        ),
        Reflector(
            client,
            paths.collection(paths.BATCH, place, "cronjobs"),
            SCHEDULE_UID_LABEL,
            objects.cron_job_of,
            picture.put_cron_job,
            picture.remove_cron_job,
            lambda: _within(place, picture.cron_jobs()),
            metadata_only=True,
        ),
        Reflector(
            client,
            paths.collection(paths.CORE, place, "pods"),
            SCHEDULE_UID_LABEL,
            objects.pod_of,
            picture.put_pod,
            picture.remove_pod,
            lambda: _within(place, picture.pods()),
        ),
    ]


def _jobs(client: KubeClient, picture: Picture, place: str) -> Reflector[objects.Job]:
    return Reflector(
        client,
        paths.collection(paths.BATCH, place, "jobs"),
        SCHEDULE_UID_LABEL,
        objects.job_of,
        picture.put_job,
        picture.remove_job,
        lambda: _within(place, picture.jobs()),
    )


def _within(place: str, seen: Iterable[V]) -> Iterator[V]:
    return (view for view in seen if place in (ALL_NAMESPACES, view.namespace))


def _kopf_settings() -> kopf.OperatorSettings:
    """kopf runs the process: no watches, no events of its own, no peering, no scanning."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = Pauses()
    settings.watching.server_timeout = 240
    return settings


class Pauses:
    """Between kopf's attempts at one request: growing, jittered, and never the last.

    With a last one, kopf would end the process when the API server is away for a minute.
    """

    def __iter__(self) -> Iterator[float]:
        return map(retry_delay, count(1))


async def _login(**_: Any) -> kopf.ConnectionInfo:
    return login()


def _now() -> datetime:
    return datetime.now(UTC)
