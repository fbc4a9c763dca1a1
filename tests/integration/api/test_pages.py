"""Lists in pages, over HTTP: nothing twice, nothing left out, whatever happens in between."""

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.kubectl import Kubectl
from tests.support.result_reports import create, record, run
from tests.support.schedules import schedule
from tools.cluster import LocalCluster


def pages(api: httpx.Client, where: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Follow the Link headers."""
    answer = api.get(where, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        yield answer.json()
        following = answer.links.get("next")
        if not following:
            return
        answer = api.get(following["url"])


def fill(kubectl: Kubectl, count: int) -> list[str]:
    names = [f"s{number:04d}" for number in range(count)]
    kubectl.apply(*(schedule(name, suspend=number % 2 == 0) for number, name in enumerate(names)))
    return names


def shown(page: dict[str, Any]) -> list[str]:
    return [item["resource"] for item in page["schedules"]]


def test_the_list_in_pages(api: httpx.Client, kubectl: Kubectl) -> None:
    names = fill(kubectl, 25)
    found = list(pages(api, "/schedules", limit=10, namespace=kubectl.namespace))
    assert [len(page["schedules"]) for page in found] == [10, 10, 5]
    assert [name for page in found for name in shown(page)] == names
    assert {page["total"] for page in found} == {25}
    by_offset = [
        api.get(
            "/schedules", params={"limit": 10, "offset": offset, "namespace": kubectl.namespace}
        ).json()
        for offset in (0, 10, 20, 30)
    ]
    assert by_offset[:3] == found
    assert (by_offset[3]["schedules"], by_offset[3]["total"]) == ([], 25)
    everything = api.get("/schedules").json()
    across = list(pages(api, "/schedules", limit=7))
    assert [one for page in across for one in page["schedules"]] == everything["schedules"]
    assert {page["total"] for page in across} == {everything["total"]}


@pytest.mark.parametrize("query", [{}, {"enabled": True}])
def test_changes_between_pages_neither_repeat_nor_hide(
    api: httpx.Client, kubectl: Kubectl, query: dict[str, Any]
) -> None:
    names = fill(kubectl, 12)
    following = pages(api, "/schedules", limit=2, namespace=kubectl.namespace, **query)
    first = shown(next(following))
    kubectl.apply(schedule("a-new-one"))
    for name in first:
        kubectl("delete", "dls", name)
    rest = [name for page in following for name in shown(page)]
    wanted = [name for number, name in enumerate(names) if not query or number % 2]
    assert [*first, *rest] == wanted


def test_a_place_that_is_too_old_is_found_again(
    api: httpx.Client, kubectl: Kubectl, cluster: LocalCluster
) -> None:
    names = fill(kubectl, 6)
    forget_the_past(cluster, kubectl)
    query: dict[str, Any] = {"limit": 2, "namespace": kubectl.namespace}
    link = api.get("/schedules", params=query).links["next"]["url"]
    text = httpx.URL(link).params["cursor"]
    cursor = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    token = cursor["token"]
    inside = json.loads(base64.b64decode(token + "=" * (-len(token) % 4)))
    inside["rv"] = 1
    cursor["token"] = base64.b64encode(json.dumps(inside).encode()).decode().rstrip("=")
    old = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")
    rest = [name for page in pages(api, "/schedules", **query, cursor=old) for name in shown(page)]
    assert rest == names[2:]


def forget_the_past(cluster: LocalCluster, kubectl: Kubectl) -> None:
    """Have etcd compacted, as the API server does every five minutes."""
    newest = max(int(item["metadata"]["resourceVersion"]) for item in kubectl.list("dls"))
    etcd = f"http://127.0.0.1:{cluster.layout.etcd_port}/v3/kv/compaction"
    body = json.dumps({"revision": str(newest), "physical": True}).encode()
    compact = f"import urllib.request as u; u.urlopen({etcd!r}, {body!r})"
    cluster.inside(sys.executable, "-c", compact)


def test_filters(api: httpx.Client, kubectl: Kubectl) -> None:
    here = {"namespace": kubectl.namespace}
    labelled = schedule("labelled", suspend=True)
    labelled["metadata"]["labels"] = {"team": "reports"}
    kubectl.apply(labelled, schedule("plain"))
    status = {"status": {"history": [run(1, "Failed"), run(0, "Completed")]}}
    kubectl.patch("dls", "plain", status, "--subresource=status")
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["labelled", "plain"]),
        ({"label_selector": "team=reports"}, ["labelled"]),
        ({"label_selector": "team notin (reports)"}, ["plain"]),
        ({"last_status": "failed"}, ["plain"]),
        ({"last_status": "completed"}, []),
        ({"enabled": True}, ["plain"]),
        ({"enabled": False, "limit": 1}, ["labelled"]),
        ({"enabled": False, "last_status": "failed"}, []),
    ]
    for query, expected in cases:
        found = api.get("/schedules", params={**here, **query}).json()
        assert (shown(found), found["total"]) == (expected, len(expected)), query
    elsewhere = api.get("/schedules", params={"namespace": "nowhere"}).json()
    assert elsewhere == {"schedules": [], "total": 0}


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("cursor=nonsense", "cursor"),
        (f"cursor={quote('é')}", "cursor"),
        ("cursor=e30", "cursor"),
        ("cursor=eyJrZXkiOiJhIiwidG9rZW4iOiJ4In0&limit=1", "cursor: take it"),
        ("cursor=eyJrZXkiOiJhIn0&offset=1", "offset"),
        ("last_status=odd", "last_status"),
        ("enabled=perhaps", "enabled"),
        ("namespace=No", "namespace"),
        ("label_selector=%3D%3D", "label_selector"),
    ],
)
def test_bad_parameters_are_named(api: httpx.Client, query: str, member: str) -> None:
    answer = api.get(f"/schedules?{query}")
    assert answer.status_code == 422
    assert member in answer.json()["detail"]["error"]


@pytest.mark.parametrize("limit", [1, 500])
def test_the_edges_of_the_limit(api: httpx.Client, limit: int) -> None:
    assert api.get("/schedules", params={"limit": limit}).status_code == 200


def ids(page: dict[str, Any]) -> list[str]:
    return [entry["execution_id"] for entry in page["executions"]]


def test_the_history_in_pages_in_either_order(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    record(kubectl, made, *(run(number, "Completed") for number in range(7)))
    where = f"/schedules/{made['id']}/history"
    newest_first = [f"run-{number}" for number in range(6, -1, -1)]
    found = list(pages(api, where, limit=3))
    assert [ids(page) for page in found] == [newest_first[:3], newest_first[3:6], newest_first[6:]]
    assert [page["offset"] for page in found] == [0, 3, 6]
    upwards = list(pages(api, where, limit=3, order="asc", status="completed"))
    assert [name for page in upwards for name in ids(page)] == newest_first[::-1]
    assert api.get(where, params={"order": "sideways"}).status_code == 422
    assert api.get(where, params={"cursor": "e30"}).status_code == 422


@pytest.mark.parametrize("time", ["0000-01-01T00:00:00Z", "2026-11-23t02:00:00z"])
def test_a_time_that_only_the_api_server_reads_is_none(
    api: httpx.Client, kubectl: Kubectl, time: str
) -> None:
    made = create(api)
    record(kubectl, made, run(1, "Completed"), run(0, "Completed") | {"startTime": time})
    where = f"/schedules/{made['id']}/history"
    assert [entry["started_at"] is None for entry in api.get(where).json()["executions"]] == [0, 1]
    assert ids(api.get(where, params={"since": "2020-01-01T00:00:00Z"}).json()) == ["run-1"]


@pytest.mark.parametrize("time", ["2026-11-23", "2026-11-23T02:00:00", "1763863200", "yesterday"])
def test_a_time_has_a_date_and_a_zone(api: httpx.Client, time: str) -> None:
    where = f"/schedules/{create(api)['id']}/history"
    for query in (f"since={time}", f"until={time}"):
        answer = api.get(f"{where}?{query}")
        assert answer.status_code == 422
        assert "write a time as in RFC 3339" in answer.json()["detail"]["error"]


def test_a_plus_in_an_address_is_a_space(api: httpx.Client) -> None:
    where = f"/schedules/{create(api)['id']}/history"
    assert api.get(where, params={"since": "2026-11-23T02:00:00+02:00"}).status_code == 200
    answer = api.get(f"{where}?since=2026-11-23T02:00:00+02:00")
    assert answer.status_code == 422
    assert "a + in an address is %2B" in answer.json()["detail"]["error"]


def test_runs_that_come_and_go_between_pages(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    record(kubectl, made, *(run(number, "Completed") for number in range(6)))
    following = pages(api, f"/schedules/{made['id']}/history", limit=2)
    assert ids(next(following)) == ["run-5", "run-4"]
    record(kubectl, made, *(run(number, "Completed") for number in (1, 2, 3, 5, 6, 7)))
    assert [name for page in following for name in ids(page)] == ["run-3", "run-2", "run-1"]


def test_a_dry_run_keeps_nothing(api: httpx.Client, kubectl: Kubectl) -> None:
    body = {"name": "tried", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
    tried = api.post("/schedules?dry_run=true", json=body)
    assert tried.status_code == 201
    assert tried.json() | body == tried.json()
    assert "location" not in tried.headers
    assert kubectl.list("dls") == []
    made = create(api)
    where = f"/schedules/{made['id']}"
    for method in (api.patch, api.put):
        answer = method(f"{where}?dry_run=true", json={**body, "backoff_limit": 7})
        assert (answer.status_code, answer.json()["backoff_limit"]) == (200, 7)
        assert "etag" not in answer.headers
    for condition in ({}, {"If-Match": api.get(where).headers["etag"]}):
        deleted = api.delete(f"{where}?dry_run=true", headers=condition)
        assert (deleted.status_code, "would be deleted" in deleted.text) == (200, True)
    assert api.delete(f"{where}?dry_run=true", headers={"If-Match": '"x"'}).status_code == 412
    assert api.delete(f"{where}x?dry_run=true").status_code == 404
    assert api.get(where).json() == made
    bad = api.post("/schedules?dry_run=true", json={**body, "cron_expression": "x"})
    assert bad.status_code == 400
    assert api.post("/schedules?dry_run=true", json={**body, "namespace": "no"}).status_code == 404
