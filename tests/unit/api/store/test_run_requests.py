"""Requests for a run now."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from download_api.problems.problem import ProblemError
from download_api.store.run_requests import RunRequests, check_run_allowed
from download_api.store.schedules import ScheduleStore
from download_api.tracing import Trace
from download_kube.errors import ApiError
from download_schedule.names import RUN_REQUESTED_ANNOTATION, RUN_TICK_ANNOTATION
from download_schedule.namespaces import ServedNamespaces
from tests.support.api_objects import resource
from tests.support.fake_kube_client import FakeKubeClient

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def submit(client: Any, token: str, release: str = "", tick: str | None = None) -> None:
    store = ScheduleStore(client, ServedNamespaces(release=release))
    requests = RunRequests(client, store, clock=lambda: NOW)
    asyncio.run(requests.submit("team.report", token, tick, None, Trace("mine-1"), dry_run=False))


def test_request_is_a_merge_patch_of_the_version_that_was_read() -> None:
    client = FakeKubeClient(resource(), resource())
    submit(client, "once")
    patch = client.sent[1]
    assert (patch.method, patch.content_type) == ("PATCH", "application/merge-patch+json")
    assert patch.body == {
        "metadata": {
            "resourceVersion": "1",
            "annotations": {
                "downloads.dev/request-id": "mine-1",
                "downloads.dev/traceparent": None,
                RUN_REQUESTED_ANNOTATION: "once",
                RUN_TICK_ANNOTATION: None,
            },
        }
    }


def test_tick_goes_into_an_annotation_as_a_time_in_utc() -> None:
    client = FakeKubeClient(resource(), resource())
    submit(client, "once", tick="2026-11-23T03:00:00+01:00")
    annotations = client.sent[1].body["metadata"]["annotations"]
    assert annotations[RUN_TICK_ANNOTATION] == "2026-11-23T02:00:00Z"


@pytest.mark.parametrize(
    ("tick", "message"),
    [
        ("2026-11-23T03:00:00Z", "write 2026-11-23T02:00:00Z or 2026-11-24T02:00:00Z"),
        ("2999-11-23T02:00:00Z", "is in the future"),
        ("2026-11-23", "write for example"),
    ],
)
def test_time_without_a_run_is_refused_before_anything_is_written(tick: str, message: str) -> None:
    client = FakeKubeClient(resource())
    with pytest.raises(ProblemError, match=f"tick: .*{message}") as refusal:
        submit(client, "once", tick=tick)
    assert refusal.value.status == 422
    assert client.methods() == ["GET"]


@pytest.mark.parametrize("tick", [None, "2026-11-22T02:00:00Z"])
def test_token_of_one_tick_requests_no_run_of_another(tick: str | None) -> None:
    stored = resource()
    stored["metadata"]["annotations"][RUN_REQUESTED_ANNOTATION] = "once"
    stored["metadata"]["annotations"][RUN_TICK_ANNOTATION] = "2026-11-23T02:00:00Z"
    with pytest.raises(ProblemError) as refusal:
        submit(FakeKubeClient(stored), "once", tick=tick)
    assert refusal.value.error_type == "idempotency_key_reused"

    client = FakeKubeClient(stored)
    submit(client, "once", tick="2026-11-23T02:00:00Z")
    assert client.methods() == ["GET"]


def test_request_is_sent_again_after_a_conflict() -> None:
    conflict = ApiError(409, "Conflict", "the object has been modified")
    client = FakeKubeClient(resource(), conflict, resource(), resource())
    submit(client, "once")
    assert client.methods() == ["GET", "PATCH", "GET", "PATCH"]


def test_repeated_request_writes_nothing() -> None:
    stored = resource()
    stored["metadata"]["annotations"][RUN_REQUESTED_ANNOTATION] = "once"
    client = FakeKubeClient(stored)
    submit(client, "once")
    assert client.methods() == ["GET"]


def test_run_is_refused_where_the_operator_would_not_start_it() -> None:
    client = FakeKubeClient(resource())
    with pytest.raises(ProblemError, match=r"add it to operator\.systemNamespaces") as refusal:
        submit(client, "once", release="team")
    assert refusal.value.status == 422
    assert client.methods() == ["GET"]


def test_active_run_forbids_another_one_unless_the_policy_allows_it() -> None:
    active = resource()
    active["status"] = {"active": 1}
    with pytest.raises(ProblemError) as refusal:
        check_run_allowed(active)
    assert refusal.value.error_type == "run_active"

    active["spec"]["concurrencyPolicy"] = "Allow"
    check_run_allowed(active)


def test_pending_request_must_be_taken_up_first() -> None:
    pending = resource()
    pending["metadata"]["annotations"][RUN_REQUESTED_ANNOTATION] = "other"
    with pytest.raises(ProblemError, match="Another run was requested") as refusal:
        check_run_allowed(pending)
    assert refusal.value.error_type == "conflict"
