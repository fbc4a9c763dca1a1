"""Writes of schedules that meet other writes."""

import asyncio
from typing import Any

import pytest

from download_api.auth.access import Access
from download_api.auth.authorization import AllowAll
from download_api.auth.reviews import Caller
from download_api.problems.problem import ProblemError
from download_api.schema.etags import etag
from download_api.schema.to_resource import set_suspend
from download_api.store.conflicts import MAX_ATTEMPTS
from download_api.store.schedules import ScheduleStore
from download_api.tracing import Trace
from download_kube.errors import ApiError
from download_schedule.namespaces import ServedNamespaces
from download_schedule.types import JSONObject
from tests.support.api_objects import new_schedule, resource
from tests.support.fake_kube_client import FakeKubeClient

CONFLICT = ApiError(409, "Conflict", "the object has been modified")
EXISTS = ApiError(409, "AlreadyExists", "the name is taken")
NOT_FOUND = ApiError(404, "NotFound", "not found")
TRACE = Trace("mine-1")


def suspend(client: FakeKubeClient, if_match: str | None = None) -> JSONObject:
    def edit(stored: JSONObject) -> JSONObject:
        return set_suspend(stored, suspend=True)

    access = Access(Caller("ann"), AllowAll(), fresh=True)
    store: Any = ScheduleStore(client, ServedNamespaces())  # type: ignore[arg-type]
    updated: JSONObject = asyncio.run(
        store.update("team.report", if_match, edit, access, TRACE, dry_run=False)
    )
    return updated


def test_update_reads_the_schedule_again_after_a_conflict() -> None:
    client = FakeKubeClient(resource(), CONFLICT, resource(backoffLimit=1), resource())
    suspend(client)
    assert client.methods() == ["GET", "PUT", "GET", "PUT"]
    body = client.sent[-1].body
    assert body["spec"]["backoffLimit"] == 1
    assert body["spec"]["suspend"] is True
    assert body["metadata"]["annotations"]["downloads.dev/request-id"] == "mine-1"


def test_update_gives_up_after_some_conflicts() -> None:
    responses: list[JSONObject | Exception] = [resource(), CONFLICT]
    client = FakeKubeClient(*responses * MAX_ATTEMPTS)
    with pytest.raises(ApiError) as refusal:
        suspend(client)
    assert refusal.value.is_conflict
    assert client.methods() == ["GET", "PUT"] * MAX_ATTEMPTS


def test_update_of_a_schedule_that_was_deleted_meanwhile_is_a_404() -> None:
    with pytest.raises(ProblemError) as refusal:
        suspend(FakeKubeClient(resource(), NOT_FOUND))
    assert refusal.value.error_type == "schedule_not_found"


def test_update_does_not_write_a_version_that_if_match_does_not_name() -> None:
    client = FakeKubeClient(resource())
    with pytest.raises(ProblemError) as refusal:
        suspend(client, if_match='"another"')
    assert refusal.value.error_type == "precondition_failed"
    assert client.methods() == ["GET"]


def test_update_checks_if_match_again_after_a_conflict() -> None:
    changed = resource()
    changed["metadata"]["generation"] = 2
    client = FakeKubeClient(resource(), CONFLICT, changed)
    with pytest.raises(ProblemError) as refusal:
        suspend(client, if_match=etag(resource()))
    assert refusal.value.error_type == "precondition_failed"


def create(client: FakeKubeClient, idempotency_key: str | None) -> JSONObject:
    access = Access(Caller("ann"), AllowAll(), fresh=True)
    store = ScheduleStore(client, ServedNamespaces())  # type: ignore[arg-type]
    return asyncio.run(
        store.create(new_schedule(), "team", idempotency_key, access, TRACE, dry_run=False)
    )


def test_create_appends_a_suffix_if_the_name_is_taken() -> None:
    client = FakeKubeClient(EXISTS, resource())
    create(client, None)
    first, second = (request.body["metadata"]["name"] for request in client.sent)
    assert first == "report"
    assert second.startswith("report-")


def test_create_gives_up_if_no_name_is_free() -> None:
    with pytest.raises(ProblemError, match="name: too many schedules have this name"):
        create(FakeKubeClient(*[EXISTS] * 5), None)


def test_repeated_create_returns_the_schedule_of_the_first() -> None:
    first = FakeKubeClient(resource())
    create(first, "once")
    stored = first.sent[0].body

    repeated = FakeKubeClient(EXISTS, stored)

    assert create(repeated, "once") == stored
    assert repeated.methods() == ["POST", "GET"]


def test_repeated_create_starts_over_if_the_schedule_was_deleted_meanwhile() -> None:
    client = FakeKubeClient(EXISTS, NOT_FOUND, resource())
    assert create(client, "once") == resource()
    assert client.methods() == ["POST", "GET", "POST"]


def test_repeated_create_gives_up_if_the_schedule_is_never_there() -> None:
    with pytest.raises(ProblemError, match="Idempotency-Key is being deleted") as refusal:
        create(FakeKubeClient(*[EXISTS, NOT_FOUND] * 5), "once")
    assert refusal.value.headers["Retry-After"] == "1"


def test_delete_with_if_match_names_the_version_that_was_checked() -> None:
    client = FakeKubeClient(resource(), {})
    store = ScheduleStore(client, ServedNamespaces())  # type: ignore[arg-type]
    asyncio.run(store.delete("team.report", "*", dry_run=True))
    assert client.methods() == ["GET", "DELETE"]
    assert client.sent[1].body["preconditions"] == {"uid": "u", "resourceVersion": "1"}
    assert client.sent[1].body["dryRun"] == ["All"]


def test_id_that_cannot_exist_is_not_requested() -> None:
    client = FakeKubeClient()
    store = ScheduleStore(client, ServedNamespaces())  # type: ignore[arg-type]
    with pytest.raises(ProblemError) as refusal:
        asyncio.run(store.get("a.b/../c"))
    assert refusal.value.error_type == "schedule_not_found"
    assert client.sent == []


FORBIDDEN = ApiError(403, "Forbidden", "no right")


def ping(client: FakeKubeClient, *namespaces: str) -> None:
    store = ScheduleStore(client, ServedNamespaces(namespaces))  # type: ignore[arg-type]
    asyncio.run(store.ping())


def test_cluster_can_be_used_if_one_of_the_namespaces_can() -> None:
    client = FakeKubeClient(FORBIDDEN, {"metadata": {"resourceVersion": "7"}})
    ping(client, "gone", "team", "other")
    assert [request.path.split("/")[-2] for request in client.sent] == ["gone", "team"]


def test_cluster_cannot_be_used_if_none_of_the_namespaces_can() -> None:
    with pytest.raises(ApiError):
        ping(FakeKubeClient(FORBIDDEN, FORBIDDEN), "gone", "team")


def test_schedule_of_a_namespace_that_is_not_served_is_not_requested() -> None:
    client = FakeKubeClient()
    store = ScheduleStore(client, ServedNamespaces(("other",)))  # type: ignore[arg-type]
    with pytest.raises(ProblemError) as refusal:
        asyncio.run(store.get("team.report"))
    assert refusal.value.error_type == "schedule_not_found"
    assert client.sent == []


@pytest.mark.parametrize("served", [ServedNamespaces(release="team"), ServedNamespaces(("other",))])
def test_schedule_is_not_created_in_a_namespace_that_is_not_served(
    served: ServedNamespaces,
) -> None:
    client = FakeKubeClient()
    access = Access(Caller("ann"), AllowAll(), fresh=True)
    store = ScheduleStore(client, served)  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match=r"^namespace: .* namespace team ") as refusal:
        asyncio.run(store.create(new_schedule(), "team", None, access, TRACE, dry_run=True))
    assert (refusal.value.status, refusal.value.error_type) == (422, "validation_error")
    assert client.sent == []
