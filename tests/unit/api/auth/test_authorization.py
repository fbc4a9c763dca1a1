"""How long a decision of Kubernetes is used again."""

import asyncio

import pytest

from download_api.auth.authorization import AllowAll, CachedAuthorizer
from download_api.auth.reviews import Caller, Permission
from tests.support.fake_clock import FakeClock

ANN = Caller(user="ann", groups=("a", "b"))
GET = Permission(verb="get", namespace="team", name="report")


@pytest.mark.parametrize(("allowed", "seconds"), [(True, 30), (False, 5)])
def test_decision_is_cached_for_some_seconds_unless_it_must_be_fresh(
    allowed: bool, seconds: int
) -> None:
    clock, reviewed = FakeClock(), []

    async def review(caller: Caller, permission: Permission) -> bool:
        reviewed.append((caller, permission))
        return allowed

    authorizer = CachedAuthorizer(review, clock)

    def reviews_after(*, fresh: bool = False, caller: Caller = ANN) -> int:
        assert asyncio.run(authorizer.is_allowed(caller, GET, fresh=fresh)) == allowed
        return len(reviewed)

    assert reviews_after() == 1
    clock.now = seconds - 0.1
    assert reviews_after() == 1

    assert reviews_after(fresh=True) == 2
    clock.now = seconds
    assert reviews_after() == 2  # the fresh decision was cached, too

    clock.now += seconds
    assert reviews_after() == 3
    assert reviews_after(caller=Caller(user="ann", groups=("a",))) == 4


def test_allow_all_allows_everything() -> None:
    assert asyncio.run(AllowAll().is_allowed(ANN, GET, fresh=True))
