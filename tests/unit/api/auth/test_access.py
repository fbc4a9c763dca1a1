"""What the caller of one request may do."""

import asyncio
from collections.abc import Callable

import pytest

from download_api.auth.access import MAX_CONCURRENT_REVIEWS, Access
from download_api.auth.authorization import ASK_FOR_ROLE, KeyAuthorizer
from download_api.auth.referenced_objects import Reference
from download_api.auth.reviews import Caller, Permission
from download_api.problems.problem import ProblemError

ANN = Caller(user="ann")


class FakeAuthorizer:
    """Allows what a function says, and counts how many decisions are under way."""

    advice = ASK_FOR_ROLE

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


REFERENCES = [Reference("secrets", "token"), Reference("persistentvolumeclaims", "data")]
GET_TOKEN = ("get", "secrets", "token")
USE_DATA = ("use", "persistentvolumeclaims", "data")
CREATE_PODS = ("create", "pods", "")


def check_references(*allowed: tuple[str, str, str]) -> None:
    def allows(permission: Permission) -> bool:
        assert (permission.namespace, permission.group) == ("team", "")
        return (permission.verb, permission.resource, permission.name) in allowed

    access = Access(ANN, FakeAuthorizer(allows), fresh=True)
    asyncio.run(access.check_references("team", REFERENCES))


@pytest.mark.parametrize("claim", [USE_DATA, CREATE_PODS])
def test_secret_needs_get_and_claim_needs_use_or_the_right_to_create_pods(
    claim: tuple[str, str, str],
) -> None:
    check_references(GET_TOKEN, claim)


@pytest.mark.parametrize(
    ("allowed", "sentence"),
    [
        (
            [GET_TOKEN, ("get", "persistentvolumeclaims", "data")],
            "ann may not use persistentvolumeclaims data in the namespace team; ask for a Role "
            "there that allows it, or to create pods in the namespace team.",
        ),
        (
            [USE_DATA, CREATE_PODS],
            "ann may not get secrets token in the namespace team; ask for a Role there that "
            "allows it.",
        ),
    ],
)
def test_object_that_the_caller_may_not_use_is_named(
    allowed: list[tuple[str, str, str]], sentence: str
) -> None:
    with pytest.raises(ProblemError) as refusal:
        check_references(*allowed)
    assert refusal.value.status == 403
    assert str(refusal.value) == sentence


def test_key_may_use_claims_but_secrets_only_where_it_is_allowed() -> None:
    access = Access(Caller("api-key"), KeyAuthorizer(("team",)), fresh=True)
    asyncio.run(access.check_create("elsewhere"))
    asyncio.run(access.check_references("team", REFERENCES))
    asyncio.run(access.check_references("elsewhere", [Reference("persistentvolumeclaims", "d")]))
    with pytest.raises(ProblemError) as refusal:
        asyncio.run(access.check_references("elsewhere", REFERENCES))
    assert refusal.value.status == 403
    assert str(refusal.value) == (
        "api-key may not get secrets token in the namespace elsewhere; create the schedule with "
        "kubectl and your own rights, or have an administrator add the namespace to "
        "api.keySecretNamespaces of the chart."
    )
