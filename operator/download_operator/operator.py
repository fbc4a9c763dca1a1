"""Put the operator together: kopf for its life and the schedules, reflectors for what they own."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import kopf

from download_operator import views
from download_operator.client import UNREACHABLE, ApiError, KubeClient
from download_operator.controller import Controller
from download_operator.picture import Key, Picture
from download_operator.reflector import Reflector
from download_operator.settings import Settings
from download_operator.work_queue import WorkQueue, retry_delay
from download_schedule.model import GROUP, PLURAL, VERSION
from download_schedule.names import SCHEDULE_UID_LABEL

log = logging.getLogger(__name__)

STUCK_SECONDS: Final = 120.0
"""No reconcile takes nearly as long: each of its few requests ends after 30 seconds."""
DEAF_SECONDS: Final = 600.0
"""A watch that has heard nothing for this long, with the API server up, is broken."""


async def run(settings: Settings) -> None:
    """Operate until the process gets SIGTERM or SIGINT.

    Raises:
        ExceptionGroup: a part of the operator failed; Kubernetes should start it again.
    """
    client = await KubeClient.connect()
    try:
        await _Operator(client, settings).run()
    finally:
        await client.close()


class _Operator:
    def __init__(self, client: KubeClient, settings: Settings) -> None:
        clock = _now
        self._settings = settings
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile, (ApiError, *UNREACHABLE))
        self._picture = Picture(self._queue.add, clock)
        self._controller = Controller(client, self._picture, settings, clock)
        self._reflectors = _reflectors(client, self._picture, settings.namespaces)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            # All before kopf starts: when it stops, it waits for every task younger than itself.
            parts = [tasks.create_task(reflector.run()) for reflector in self._reflectors]
            parts += [tasks.create_task(self._work()) for _ in range(self._settings.workers)]
            parts.append(tasks.create_task(self._announce()))
            await kopf.operator(
                registry=self._registry(),
                settings=_kopf_settings(),
                standalone=True,
                # Without one kopf asks the system for a user name, which a container has not;
                # the type of it is private to kopf.
                identity="download-operator",  # type: ignore[arg-type]
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
                liveness_endpoint=self._liveness_endpoint(),
            )
            for part in parts:
                part.cancel()

    async def _work(self) -> None:
        """Begin only when the picture is complete: a Job not yet heard of is not a Job deleted."""
        await self._complete()
        await self._queue.work()

    async def _announce(self) -> None:
        await self._complete()
        log.info("the picture is complete, working")

    async def _complete(self) -> None:
        for reflector in self._reflectors:
            await reflector.synced.wait()

    async def _reconcile(self, key: Key) -> float | None:
        delay = await self._controller.reconcile(key)
        if self._picture.snapshot(key) is None:
            self._queue.forget(key)
        return delay

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        kopf.on.probe(registry=registry, id="operator")(self._probe)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self._schedule_event)
        return registry

    async def _schedule_event(self, *, event: kopf.RawEvent, **_: Any) -> None:
        schedule = views.schedule_of(dict(event["object"]))
        if event["type"] == "DELETED":
            self._picture.remove_schedule(schedule)
        else:
            self._picture.put_schedule(schedule)

    async def _probe(self, **_: Any) -> str:
        """Answer /healthz; an exception makes the answer an error."""
        stuck = self._queue.stuck_seconds()
        if stuck > STUCK_SECONDS:
            raise kopf.PermanentError(f"a reconcile has not ended for {stuck:.0f} s")
        for reflector in self._reflectors:
            silent = asyncio.get_running_loop().time() - reflector.heard
            if silent > DEAF_SECONDS:
                raise kopf.PermanentError(f"the watch of {reflector.path} is silent")
        return "ok"

    def _liveness_endpoint(self) -> str | None:
        port = self._settings.health_port
        return f"http://0.0.0.0:{port}/healthz" if port else None


def _reflectors(
    client: KubeClient, picture: Picture, namespaces: Sequence[str]
) -> list[Reflector[Any]]:
    kinds: tuple[tuple[str, str, Callable[[Any], Any], Any, Any], ...] = (
        (
            "/apis/batch/v1",
            "cronjobs",
            views.cron_job_of,
            picture.put_cron_job,
            picture.remove_cron_job,
        ),
        ("/apis/batch/v1", "jobs", views.job_of, picture.put_job, picture.remove_job),
        ("/api/v1", "pods", views.pod_of, picture.put_pod, picture.remove_pod),
    )
    places = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]
    return [
        Reflector(client, f"{api}{place}/{plural}", SCHEDULE_UID_LABEL, project, put, remove)
        for api, plural, project, put, remove in kinds
        for place in places
    ]


def _kopf_settings() -> kopf.OperatorSettings:
    """Only watching is asked of kopf: no events of its own, no peering, no scanning."""
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


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _now() -> datetime:
    return datetime.now(UTC)
