"""An operator whose watches are late: it knows what a test tells it, and nothing else."""

import asyncio
from datetime import UTC, datetime

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_operator.cache.cache import Picture
from download_operator.reconciler import Controller
from download_operator.settings import Settings
from tests.support.kubeconfig import login_by
from tests.support.kubectl import Kubectl
from tools.cluster import LocalCluster


def now() -> datetime:
    return datetime.now(UTC)


def empty_picture() -> Picture:
    return Picture(lambda _: None, now)


def reconcile_once(
    kubectl: Kubectl, cluster: LocalCluster, picture: Picture, schedule: str
) -> None:
    """Bring one schedule up to date by *picture*."""

    async def scene() -> None:
        client = KubeClient(login_by(cluster.kubeconfig), "test", timeout_seconds=30)
        lease = Lease(client, kubectl.namespace, "late")
        settings = Settings(worker_image="example.com/worker:1")
        holding = asyncio.create_task(lease.hold())
        await lease.acquired.wait()
        controller = Controller(client, lease, picture, settings, now)
        await controller.reconcile((kubectl.namespace, schedule))
        holding.cancel()
        await client.close()

    asyncio.run(scene())
