"""The parts of an operator at rest, without a cluster behind them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_kube.reflector import Reflector
from download_operator.cache.objects import decode_schedule
from download_operator.monitor import Monitor
from download_operator.reconciling.work_queue import WorkQueue
from tests.support.fake_cluster import FakeCluster

Handle = Callable[[str], Awaitable[None]]


class Parts:
    """A queue, a cache, one reflector and a Lease, none of which is running."""

    def __init__(self, client: KubeClient, handle: Handle) -> None:
        self.client = client
        self.queue: WorkQueue[str] = WorkQueue(handle)
        self.cluster = FakeCluster()
        self.reflector: Reflector[Any] = Reflector(
            client, "/api/v1/pods", "", decode_schedule, ignore, ignore, tuple
        )
        lease = Lease(client, "default", "me")
        self.monitor = Monitor(client, lease, self.cluster.cache, self.queue, (self.reflector,))


def ignore(_: Any) -> None:
    """Take an object and do nothing."""


async def succeed(_: str) -> None:
    """Handle a key."""


def run_with_parts(test: Callable[[Parts], Awaitable[None]], handle: Handle = succeed) -> None:
    """Run a test with parts that nothing can connect to a cluster."""

    async def run() -> None:
        account = kopf.ConnectionInfo(server="https://127.0.0.1:1")
        client = KubeClient(lambda: account, "test", timeout_seconds=30)
        try:
            await test(Parts(client, handle))
        finally:
            await client.close()

    asyncio.run(run())
