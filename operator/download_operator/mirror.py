"""Mirror one scope of the cluster, a namespace or all of them, into the cache."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from download_kube import paths
from download_kube.client import KubeClient
from download_kube.paths import ALL_NAMESPACES
from download_kube.reflector import KubeObject, Reflector
from download_operator.cache import objects
from download_operator.cache.cache import ClusterCache
from download_schedule.model import PLURAL
from download_schedule.names import SCHEDULE_UID_LABEL

T = TypeVar("T", bound=KubeObject)


class Mirror:
    """The reflectors of one scope.

    Args:
        client: connection to the API server.
        cache: takes the objects.
        scope: a namespace, or :data:`ALL_NAMESPACES`.
    """

    def __init__(self, client: KubeClient, cache: ClusterCache, scope: str) -> None:
        self.scope = scope
        self.schedules: Reflector[objects.Schedule] = Reflector(
            client,
            paths.collection(paths.SCHEDULES, scope, PLURAL),
            "",
            objects.decode_schedule,
            cache.put_schedule,
            cache.remove_schedule,
            lambda: within(scope, cache.schedules()),
        )
        self.cron_jobs: Reflector[objects.CronJob] = Reflector(
            client,
            paths.collection(paths.BATCH, scope, "cronjobs"),
            SCHEDULE_UID_LABEL,
            objects.decode_cron_job,
            cache.put_cron_job,
            cache.remove_cron_job,
            lambda: within(scope, cache.cron_jobs()),
            metadata_only=True,
        )
        self.jobs: Reflector[objects.Job] = Reflector(
            client,
            paths.collection(paths.BATCH, scope, "jobs"),
            SCHEDULE_UID_LABEL,
            objects.decode_job,
            cache.put_job,
            cache.remove_job,
            lambda: within(scope, cache.jobs()),
        )
        self.pods: Reflector[objects.Pod] = Reflector(
            client,
            paths.collection(paths.CORE, scope, "pods"),
            SCHEDULE_UID_LABEL,
            objects.decode_pod,
            cache.put_pod,
            cache.remove_pod,
            lambda: within(scope, cache.pods()),
        )

    @property
    def all(self) -> tuple[Reflector[Any], ...]:
        """All reflectors."""
        return self.schedules, self.cron_jobs, self.jobs, self.pods

    async def run(self) -> None:
        """Mirror everything until cancelled.

        Owners come first: the cache does not store objects of schedules that it does not know.
        """
        async with asyncio.TaskGroup() as tasks:
            for reflector in self.all:
                tasks.create_task(reflector.run())
                if reflector not in (self.jobs, self.pods):
                    await reflector.synced.wait()


def within(scope: str, objs: Iterable[T]) -> Iterator[T]:
    """Iterate over the objects of one scope."""
    return (obj for obj in objs if scope in (ALL_NAMESPACES, obj.namespace))
