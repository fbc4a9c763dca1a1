"""Changes as they happen, over a connection that stays open."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import pid_of
from tests.support.kubectl import Kubectl, wait_for
from tests.support.result_reports import create
from tests.support.schedules import schedule

Event = dict[str, Any]


@contextmanager
def events(
    api: httpx.Client, namespace: str, last: str = "", **query: str
) -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last} if last else {}
    parameters = {"namespace": namespace, **query}
    with api.stream("GET", "/events", params=parameters, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """What a browser makes of them."""
    event: Event = {}
    last = ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last = value
        elif name in ("event", "data"):
            event[name] = value
        elif not line and event:
            yield {**event, "id": last, "data": json.loads(event["data"])}
            event = {}


def test_what_happens_is_told_at_once(api: httpx.Client, kubectl: Kubectl) -> None:
    with events(api, kubectl.namespace) as told:
        made = create(api)
        first = next(told)
        assert (first["event"], first["data"]["id"]) == ("created", made["id"])
        kubectl.patch("dls", made["resource"], {"spec": {"suspend": True}})
        changed = next(told)
        assert (changed["event"], changed["data"]["enabled"]) == ("changed", False)
        api.delete(f"/schedules/{made['id']}")
        assert next(told)["event"] == "deleted"


def test_one_goes_on_where_one_stopped(api: httpx.Client, kubectl: Kubectl) -> None:
    with events(api, kubectl.namespace) as told:
        create(api)
        last = next(told)["id"]
    kubectl.apply(schedule("meanwhile"))
    with events(api, kubectl.namespace, last) as told:
        missed = next(told)
    assert (missed["event"], missed["data"]["resource"]) == ("created", "meanwhile")


def test_who_was_away_for_too_long_is_told_to_begin_anew(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    with events(api, kubectl.namespace, "1") as told:
        assert next(told) == {"event": "reset", "id": "", "data": {}}
        assert list(told) == []
    with events(api, kubectl.namespace) as told:
        create(api)
        assert next(told)["event"] == "created"


def test_who_has_seen_what_a_restored_cluster_lost_is_told_at_once(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    with events(api, kubectl.namespace, "9" * 18) as told:
        assert next(told) == {"event": "reset", "id": "", "data": {}}
        create(api)
        assert next(told)["event"] == "created"


def test_labels_choose(api: httpx.Client, kubectl: Kubectl) -> None:
    with events(api, kubectl.namespace, label_selector="team=x") as told:
        create(api)
        wanted = schedule("wanted")
        wanted["metadata"]["labels"] = {"team": "x"}
        kubectl.apply(wanted)
        assert next(told)["data"]["resource"] == "wanted"


@pytest.mark.parametrize(
    ("query", "headers", "named"),
    [
        ({"label_selector": "a b"}, {}, "label_selector: write for example"),
        ({}, {"Last-Event-ID": "x"}, "last-event-id"),
        ({"namespace": "A"}, {}, "namespace"),
        ({}, {"Last-Event-ID": "9" * 20}, "last-event-id"),
        ({}, {"Last-Event-ID": "0"}, "last-event-id"),
    ],
)
def test_rubbish_is_refused(
    api: httpx.Client, query: dict[str, str], headers: dict[str, str], named: str
) -> None:
    answer = api.get("/events", params=query, headers=headers)
    assert (answer.status_code, answer.json()["detail"]["error_type"]) == (422, "validation_error")
    assert named in answer.json()["detail"]["error"]


def test_nobody_has_more_than_twenty(api: httpx.Client, kubectl: Kubectl) -> None:
    client = httpx.Client(base_url=api.base_url, headers=api.headers, timeout=30)
    many = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=api.base_url, headers=api.headers, limits=many) as many_at_once:
        streams = [
            many_at_once.send(many_at_once.build_request("GET", "/events"), stream=True)
            for _ in range(20)
        ]
        refused = client.get("/events")
        assert refused.status_code == 429
        assert refused.json()["detail"]["error_type"] == "too_many_streams"
        for stream in streams:
            stream.close()
    with wait_until_allowed(client) as answer:
        assert answer.status_code == 200
    client.close()


@contextmanager
def wait_until_allowed(client: httpx.Client) -> Iterator[httpx.Response]:
    def allowed() -> httpx.Response | None:
        answer = client.send(client.build_request("GET", "/events"), stream=True)
        if answer.status_code == 200:
            return answer
        answer.close()
        return None

    answer = wait_for("room for a stream", allowed)
    yield answer
    answer.close()


def test_streams_end_with_the_process(api: httpx.Client, kubectl: Kubectl) -> None:
    process = pid_of(api)
    with events(api, kubectl.namespace) as told:
        create(api)
        next(told)
        os.kill(process, signal.SIGTERM)
        assert list(told) == []
