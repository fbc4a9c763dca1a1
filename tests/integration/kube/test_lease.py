"""The Lease itself, against the API server: who may write, and when no more."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

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
from tests.support.kubectl import Kubectl
from tools.cluster import LocalCluster


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def play(kubeconfig: Path, scene: Callable[[KubeClient], Awaitable[None]]) -> None:
    async def connected() -> None:
        client = KubeClient(login_by(kubeconfig), "test", timeout_seconds=30)
        try:
            await scene(client)
        finally:
            await client.close()

    asyncio.run(connected())


async def holds(lease: Lease, seconds: float = 1.0) -> bool:
    """Let it try for a moment; tell whether it may write."""
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


@pytest.fixture
def kubeconfig(cluster: LocalCluster) -> Path:
    return cluster.kubeconfig


def test_the_second_waits_for_the_whole_duration_and_then_takes_over(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    async def scene(client: KubeClient) -> None:
        clock = Clock()
        first = Lease(client, kubectl.namespace, "first", clock)
        second = Lease(client, kubectl.namespace, "second", clock)
        assert await holds(first)
        assert not await holds(second)
        clock.seconds = RENEW_DEADLINE_SECONDS
        assert may_write(first)
        clock.seconds = RENEW_DEADLINE_SECONDS + 0.01
        assert not may_write(first)
        clock.seconds = float(DURATION_SECONDS)
        assert not await holds(second)
        clock.seconds = DURATION_SECONDS + 0.01
        assert await holds(second)
        with pytest.raises(LeaseLostError):
            await first.hold()

    play(kubeconfig, scene)
    spec = kubectl.get("lease", NAME)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("second", 2)


def test_a_lease_given_back_is_taken_at_once(kubectl: Kubectl, kubeconfig: Path) -> None:
    async def scene(client: KubeClient) -> None:
        first = Lease(client, kubectl.namespace, "first")
        assert await holds(first)
        await first.release()
        assert not may_write(first)
        assert await holds(Lease(client, kubectl.namespace, "second"))

    play(kubeconfig, scene)


def test_a_lease_whose_last_renewal_was_cut_off_is_given_back(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    """It may have been carried out, and the version that we know is not the one that is stored."""

    async def scene(client: KubeClient) -> None:
        first = Lease(client, kubectl.namespace, "first")
        assert await holds(first)
        other = {"metadata": {"labels": {"by": "hand"}}}
        await asyncio.to_thread(kubectl.patch, "lease", NAME, other)
        await first.release()
        assert await holds(Lease(client, kubectl.namespace, "second"))

    play(kubeconfig, scene)


def test_one_of_the_same_name_goes_on_at_once(kubectl: Kubectl, kubeconfig: Path) -> None:
    async def scene(client: KubeClient) -> None:
        assert await holds(Lease(client, kubectl.namespace, "same"))
        assert await holds(Lease(client, kubectl.namespace, "same"))

    play(kubeconfig, scene)


def test_a_holder_that_cannot_reach_the_api_server_ends(kubectl: Kubectl, kubeconfig: Path) -> None:
    async def scene(client: KubeClient) -> None:
        clock = Clock()
        lease = Lease(client, kubectl.namespace, "first", clock)
        assert await holds(lease)
        client._server = "https://127.0.0.1:1"
        clock.seconds = RENEW_DEADLINE_SECONDS + 0.01
        with pytest.raises(LeaseLostError):
            await lease.hold()

    play(kubeconfig, scene)


def test_a_lease_that_changed_hands_more_often_than_can_be_counted_is_taken(
    kubectl: Kubectl, kubeconfig: Path
) -> None:
    async def scene(client: KubeClient) -> None:
        first = Lease(client, kubectl.namespace, "first")
        assert await holds(first)
        await first.release()
        many = {"spec": {"leaseTransitions": 2**31 - 1}}
        await asyncio.to_thread(kubectl.patch, "lease", NAME, many)
        assert await holds(Lease(client, kubectl.namespace, "second"))

    play(kubeconfig, scene)
