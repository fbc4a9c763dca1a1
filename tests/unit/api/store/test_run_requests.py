"""Requests for a run now."""

import asyncio
from typing import Any

import pytest

from download_api.problems.problem import ProblemError
from download_api.store.run_requests import RunRequests, check_run_allowed
from download_api.store.schedules import ScheduleStore
from download_api.tracing import Trace
from download_kube.client import ApiError
from download_schedule.names import RUN_REQUESTED_ANNOTATION
from download_schedule.namespaces import ServedNamespaces
from tests.support.api_objects import resource
from tests.support.fake_kube_client import FakeKubeClient


def submit(client: Any, token: str, release: str = "") -> None:
    requests = RunRequests(client, ScheduleStore(client, ServedNamespaces(release=release)))
    asyncio.run(requests.submit("team.report", token, None, Trace("mine-1"), dry_run=False))


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
            },
        }
    }


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
