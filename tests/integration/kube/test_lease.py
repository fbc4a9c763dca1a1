"""The Lease against the API server: who may write, and from when on no more."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from download_kube.client import KubeClient
from download_kube.lease import (
    DURATION_SECONDS,
    NAME,
    RENEW_DEADLINE_SECONDS,
    Lease,
    LeaseLostError,
)
from tests.support.kubeconfig import login_by
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def kubeconfig(cluster: LocalCluster) -> Path:
    return cluster.kubeconfig


def run(kubeconfig: Path, test: Callable[[KubeClient], Awaitable[None]]) -> None:
    async def connected() -> None:
        client = KubeClient(login_by(kubeconfig), "test", timeout_seconds=30)
        try:
            await test(client)
        finally:
            await client.close()

    asyncio.run(connected())


async def try_to_hold(lease: Lease, seconds: float = 1.0) -> bool:
    """Let a replica try for a moment; return whether it may write."""
    holding = asyncio.create_task(lease.hold())
    await asyncio.sleep(seconds)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    return may_write(lease)


def may_write(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLostError:
        return False
    return True


def test_second_replica_waits_for_the_whole_duration_and_then_takes_over(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    async def test(client: KubeClient) -> None:
        clock = Clock()
        first = Lease(client, kubectl.namespace, "first", clock)
        second = Lease(client, kubectl.namespace, "second", clock)
        assert await try_to_hold(first)
        assert not await try_to_hold(second)

        clock.seconds = RENEW_DEADLINE_SECONDS
        assert may_write(first)
        clock.seconds = RENEW_DEADLINE_SECONDS + 0.01
        assert not may_write(first)

        clock.seconds = float(DURATION_SECONDS)
        assert not await try_to_hold(second)
        clock.seconds = DURATION_SECONDS + 0.01
        assert await try_to_hold(second)
        with pytest.raises(LeaseLostError):
            await first.hold()

    run(kubeconfig, test)

    spec = kubectl.get("lease", NAME)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 2)


@pytest.mark.parametrize(
    "change",
    [
        None,
        # A renewal that was cut off may have succeeded: the replica knows an older version.
        {"metadata": {"labels": {"by": "hand"}}},
    ],
    ids=["unchanged", "changed"],
)
def test_released_lease_is_acquired_at_once(
    kubectl: Kubectl, kubeconfig: Path, change: dict[str, Any] | None
) -> None:
    async def test(client: KubeClient) -> None:
        first = Lease(client, kubectl.namespace, "first")
        assert await try_to_hold(first)
        if change:
            await asyncio.to_thread(kubectl.patch, "lease", NAME, change)

        await first.release()

        assert not may_write(first)
        assert await try_to_hold(Lease(client, kubectl.namespace, "second"))

    run(kubeconfig, test)


def test_restarted_replica_of_the_same_name_goes_on_at_once(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    async def test(client: KubeClient) -> None:
        assert await try_to_hold(Lease(client, kubectl.namespace, "same"))
        assert await try_to_hold(Lease(client, kubectl.namespace, "same"))

    run(kubeconfig, test)


def test_holder_that_cannot_reach_the_api_server_ends(kubectl: Kubectl, kubeconfig: Path) -> None:
    async def test(client: KubeClient) -> None:
        clock = Clock()
        lease = Lease(client, kubectl.namespace, "first", clock)
        assert await try_to_hold(lease)

        client._server = "https://127.0.0.1:1"
        clock.seconds = RENEW_DEADLINE_SECONDS + 0.01

        with pytest.raises(LeaseLostError):
            await lease.hold()

    run(kubeconfig, test)


def test_lease_with_the_largest_number_of_transitions_is_acquired(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    async def test(client: KubeClient) -> None:
        first = Lease(client, kubectl.namespace, "first")
        assert await try_to_hold(first)
        await first.release()
        largest = {"spec": {"leaseTransitions": 2**31 - 1}}
        await asyncio.to_thread(kubectl.patch, "lease", NAME, largest)

        assert await try_to_hold(Lease(client, kubectl.namespace, "second"))

    run(kubeconfig, test)
