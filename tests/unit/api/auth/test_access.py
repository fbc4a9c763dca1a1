"""What the caller of one request may do."""

import asyncio
from collections.abc import Callable

import pytest

from download_api.auth.access import MAX_CONCURRENT_REVIEWS, Access
from download_api.auth.reviews import Caller, Permission
from download_api.problems.problem import ProblemError

ANN = Caller(user="ann")


class FakeAuthorizer:
    """Allows what a function says, and counts how many decisions are under way."""

    def __init__(self, allows: Callable[[Permission], bool]) -> None:
        self._allows = allows
        self._current = self.most = 0

    async def is_allowed(self, _: Caller, permission: Permission, *, fresh: bool) -> bool:
        assert fresh
        self._current += 1
        self.most = max(self.most, self._current)
        await asyncio.sleep(0)
        self._current -= 1
        return self._allows(permission)


def test_namespaces_are_reviewed_at_the_same_time_up_to_a_limit() -> None:
    authorizer = FakeAuthorizer(lambda permission: permission.namespace.endswith("7"))
    resources = [{"metadata": {"namespace": f"n{number}"}} for number in range(100)]
    listable = asyncio.run(Access(ANN, authorizer, fresh=True).filter_listable(resources * 2))
    assert len(listable) == 20
    assert authorizer.most == MAX_CONCURRENT_REVIEWS


def check_delete(*allowed_verbs: str) -> None:
    authorizer = FakeAuthorizer(lambda permission: permission.verb in allowed_verbs)
    access = Access(ANN, authorizer, fresh=True)
    asyncio.run(access.check_schedule("delete", "", "team.report"))


def test_caller_who_may_get_and_delete_may_delete() -> None:
    check_delete("get", "delete")


@pytest.mark.parametrize(
    ("allowed_verbs", "status"), [(["get"], 403), (["delete"], 404), ([], 404)]
)
def test_schedule_that_the_caller_may_not_get_does_not_exist_for_them(
    allowed_verbs: list[str], status: int
) -> None:
    with pytest.raises(ProblemError) as refusal:
        check_delete(*allowed_verbs)
    assert refusal.value.status == status
