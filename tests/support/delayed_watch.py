"""An operator whose watches deliver only what a test puts into its cache."""

import asyncio
from datetime import UTC, datetime

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_operator.cache.cache import ClusterCache
from download_operator.cache.egress import EgressCache
from download_operator.reconciling.executor import Executor
from download_operator.reconciling.reconciler import Reconciler
from download_operator.reconciling.requests import Requests
from download_operator.settings import Settings
from tests.support.kubeconfig import login_by
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl


def empty_cache() -> ClusterCache:
    """Return a cache that reports changes to nobody."""
    return ClusterCache(lambda _: None, _now)


def reconcile_once(
    kubectl: Kubectl, cluster: LocalCluster, cache: ClusterCache, schedule: str
) -> None:
    """Reconcile one schedule with what is in *cache*."""

    async def run() -> None:
        client = KubeClient(login_by(cluster.kubeconfig), "test", timeout_seconds=30)
        lease = Lease(client, kubectl.namespace, "delayed-watch")
        holding = asyncio.create_task(lease.hold())
        await lease.acquired.wait()
        executor = Executor(Requests(client, lease), cache, _now)
        settings = Settings(worker_image="example.com/worker:1")
        reconciler = Reconciler(cache, executor, settings, EgressCache(settings.egress), _now)
        await reconciler.reconcile((kubectl.namespace, schedule))
        holding.cancel()
        await client.close()

    asyncio.run(run())


def _now() -> datetime:
    return datetime.now(UTC)
