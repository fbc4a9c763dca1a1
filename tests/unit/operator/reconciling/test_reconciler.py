"""The loop of decisions and actions, with an executor that does what a test wants."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from download_kube.errors import ApiError
from download_operator.cache.egress import EgressCache
from download_operator.planning.actions import CreateCronJob, ReplaceCronJob, StartRun, WriteStatus
from download_operator.pod_egress import Allowance, EgressRules, Endpoint
from download_operator.reconciling.reconciler import (
    MAX_DESIRED_STATES,
    MAX_STEPS,
    MAX_WAIT_SECONDS,
    Reconciler,
    UnsettledError,
)
from tests.support.cluster_objects import SETTINGS
from tests.support.fake_cluster import KEY, FakeCluster

EGRESS = EgressCache(EgressRules())


class FakeExecutor:
    """Carries actions out on a fake cluster, and records them."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.actions: list[Any] = []
        self.carry_out_action: Callable[[Any], None] = cluster.carry_out

    async def carry_out(self, action: Any, _: Any) -> None:
        self.actions.append(action)
        self.carry_out_action(action)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def executor(cluster: FakeCluster) -> FakeExecutor:
    return FakeExecutor(cluster)


def reconcile(cluster: FakeCluster, executor: Any, key: tuple[str, str] = KEY) -> float | None:
    reconciler = Reconciler(cluster.cache, executor, SETTINGS, EGRESS, lambda: cluster.now)
    return asyncio.run(reconciler.reconcile(key))


def test_actions_are_carried_out_until_the_plan_is_to_wait(
    cluster: FakeCluster, executor: FakeExecutor
) -> None:
    seconds = reconcile(cluster, executor)

    assert [type(action) for action in executor.actions] == [CreateCronJob, WriteStatus]
    assert seconds == MAX_WAIT_SECONDS


def test_short_wait_is_not_extended(cluster: FakeCluster, executor: FakeExecutor) -> None:
    reconcile(cluster, executor)
    cluster.now += timedelta(minutes=59)

    assert reconcile(cluster, executor) == 120  # until a minute after the tick


def test_schedule_that_does_not_exist_needs_nothing(
    cluster: FakeCluster, executor: FakeExecutor
) -> None:
    assert reconcile(cluster, executor, ("team", "other")) is None
    assert executor.actions == []


def test_actions_without_an_effect_are_given_up(
    cluster: FakeCluster, executor: FakeExecutor
) -> None:
    executor.carry_out_action = lambda _: None

    with pytest.raises(UnsettledError):
        reconcile(cluster, executor)

    assert len(executor.actions) == MAX_STEPS


def test_refused_run_is_raised_after_other_runs_were_recorded(
    cluster: FakeCluster, executor: FakeExecutor
) -> None:
    cluster.settle()
    cluster.edit_spec(concurrencyPolicy="Allow")
    cluster.settle()
    cluster.request_run("a")
    cluster.pod_event(exit_code=20)
    cluster.job_event(ended="Failed")

    def carry_out(action: Any) -> None:
        if isinstance(action, StartRun):
            raise ApiError(403, "Forbidden", "exceeded quota")
        cluster.carry_out(action)

    executor.carry_out_action = carry_out

    with pytest.raises(ApiError, match="exceeded quota"):
        reconcile(cluster, executor)

    assert [type(action) for action in executor.actions] == [StartRun, WriteStatus]
    assert cluster.counts["failed"] == 1


def test_any_other_failure_is_raised_at_once(cluster: FakeCluster, executor: FakeExecutor) -> None:
    def fail(_: Any) -> None:
        raise ApiError(503, "ServiceUnavailable", "later")

    executor.carry_out_action = fail

    with pytest.raises(ApiError, match="later"):
        reconcile(cluster, executor)

    assert len(executor.actions) == 1


def test_desired_states_of_the_newest_versions_are_kept(
    cluster: FakeCluster, executor: Any
) -> None:
    reconciler = Reconciler(cluster.cache, executor, SETTINGS, EGRESS, lambda: cluster.now)
    cluster.settle()

    for _ in range(MAX_DESIRED_STATES + 1):
        cluster.edit_spec()
        asyncio.run(reconciler.reconcile(KEY))

    assert len(reconciler._desired) == MAX_DESIRED_STATES


def test_cron_job_is_replaced_when_its_namespace_gets_another_egress(
    cluster: FakeCluster, executor: Any
) -> None:
    egress = EgressCache(EgressRules(allow=(Allowance(cidr="10.0.0.0/8"),)))
    reconciler = Reconciler(cluster.cache, executor, SETTINGS, egress, lambda: cluster.now)
    asyncio.run(reconciler.reconcile(KEY))
    first = executor.actions[0].desired

    egress.add_api_server([Endpoint("10.0.0.5", 6443)])
    cluster.now += timedelta(minutes=1)
    executor.actions.clear()
    asyncio.run(reconciler.reconcile(KEY))

    assert isinstance(executor.actions[0], ReplaceCronJob)
    assert executor.actions[0].desired.spec_hash != first.spec_hash
