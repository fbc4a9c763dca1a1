"""Changes of schedules as server-sent events."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.api_process import KEY, StartApi, pid_of
from tests.support.api_schedules import create
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl, wait_for

Event = dict[str, Any]


@contextmanager
def follow_events(
    api: httpx.Client, namespace: str, last_event_id: str = "", **query: str
) -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    parameters = {"namespace": namespace, **query}
    with api.stream("GET", "/events", params=parameters, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield parse_events(response.iter_lines())


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events, read as a browser reads them."""
    event: Event = {}
    event_id = ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event_id = value
        elif name in ("event", "data"):
            event[name] = value
        elif not line and event:
            yield {**event, "id": event_id, "data": json.loads(event["data"])}
            event = {}


def test_creation_change_and_deletion_are_events(api: httpx.Client, kubectl: Kubectl) -> None:
    with follow_events(api, kubectl.namespace) as events:
        created = create(api)
        first = next(events)
        assert (first["event"], first["data"]["id"]) == ("created", created["id"])
        kubectl.patch("dls", created["resource"], {"spec": {"suspend": True}})
        changed = next(events)
        assert (changed["event"], changed["data"]["enabled"]) == ("changed", False)
        api.delete(f"/schedules/{created['id']}")
        assert next(events)["event"] == "deleted"


def test_stream_goes_on_after_the_last_event_id(api: httpx.Client, kubectl: Kubectl) -> None:
    with follow_events(api, kubectl.namespace) as events:
        create(api)
        last_event_id = next(events)["id"]
    kubectl.apply(schedule("meanwhile"))
    with follow_events(api, kubectl.namespace, last_event_id) as events:
        missed = next(events)
    assert (missed["event"], missed["data"]["resource"]) == ("created", "meanwhile")


def test_outdated_event_id_is_reset(api: httpx.Client, kubectl: Kubectl) -> None:
    with follow_events(api, kubectl.namespace, "1") as events:
        assert next(events) == {"event": "reset", "id": "", "data": {}}
        assert list(events) == []
    with follow_events(api, kubectl.namespace) as events:
        create(api)
        assert next(events)["event"] == "created"


def test_event_id_from_before_a_restore_is_reset(api: httpx.Client, kubectl: Kubectl) -> None:
    with follow_events(api, kubectl.namespace, "9" * 18) as events:
        assert next(events) == {"event": "reset", "id": "", "data": {}}
        create(api)
        assert next(events)["event"] == "created"


def test_label_selector_filters_events(api: httpx.Client, kubectl: Kubectl) -> None:
    with follow_events(api, kubectl.namespace, label_selector="team=x") as events:
        create(api)
        labelled = schedule("labelled")
        labelled["metadata"]["labels"] = {"team": "x"}
        kubectl.apply(labelled)
        assert next(events)["data"]["resource"] == "labelled"


@pytest.mark.parametrize(
    ("query", "headers", "message"),
    [
        ({"label_selector": "a b"}, {}, "label_selector: write for example"),
        ({}, {"Last-Event-ID": "x"}, "last-event-id"),
        ({"namespace": "A"}, {}, "namespace"),
        ({}, {"Last-Event-ID": "9" * 20}, "last-event-id"),
        ({}, {"Last-Event-ID": "0"}, "last-event-id"),
    ],
)
def test_malformed_parameter_is_refused(
    api: httpx.Client, query: dict[str, str], headers: dict[str, str], message: str
) -> None:
    response = api.get("/events", params=query, headers=headers)
    assert (response.status_code, response.json()["detail"]["error_type"]) == (
        422,
        "validation_error",
    )
    assert message in response.json()["detail"]["error"]


def test_caller_has_at_most_twenty_streams(api: httpx.Client, kubectl: Kubectl) -> None:
    client = httpx.Client(base_url=api.base_url, headers=api.headers, timeout=30)
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=api.base_url, headers=api.headers, limits=limits) as streaming:
        streams = [
            streaming.send(streaming.build_request("GET", "/events"), stream=True)
            for _ in range(20)
        ]
        refused = client.get("/events")
        assert refused.status_code == 429
        assert refused.json()["detail"]["error_type"] == "too_many_streams"
        for stream in streams:
            stream.close()
    with wait_until_allowed(client) as response:
        assert response.status_code == 200
    client.close()


@contextmanager
def wait_until_allowed(client: httpx.Client) -> Iterator[httpx.Response]:
    def allowed() -> httpx.Response | None:
        response = client.send(client.build_request("GET", "/events"), stream=True)
        if response.status_code == 200:
            return response
        response.close()
        return None

    response = wait_for("room for a stream", allowed)
    yield response
    response.close()


def test_streams_end_with_the_process(start_api: StartApi, kubectl: Kubectl) -> None:
    api = start_api(key=KEY, namespace=kubectl.namespace)
    process = pid_of(api)
    with follow_events(api, kubectl.namespace) as events:
        create(api)
        next(events)
        os.kill(process, signal.SIGTERM)
        assert list(events) == []
