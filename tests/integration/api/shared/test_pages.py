"""Pages: nothing is repeated or left out, whatever is written between them."""

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.api_schedules import create, record, run
from tests.support.schedules import schedule
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl


def pages(api: httpx.Client, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Yield all pages by following the Link headers."""
    response = api.get(path, params=query)
    while True:
        assert response.status_code == 200, response.text
        yield response.json()
        if "next" not in response.links:
            return
        response = api.get(response.url.join(response.links["next"]["url"]))


def create_many(kubectl: Kubectl, count: int) -> list[str]:
    """Create schedules, every second one suspended; return their names."""
    names = [f"s{number:04d}" for number in range(count)]
    kubectl.apply(*(schedule(name, suspend=number % 2 == 0) for number, name in enumerate(names)))
    return names


def names_on(page: dict[str, Any]) -> list[str]:
    return [item["resource"] for item in page["schedules"]]


def test_pages_of_the_list_are_complete(api: httpx.Client, kubectl: Kubectl) -> None:
    names = create_many(kubectl, 25)
    by_cursor = list(pages(api, "/schedules", limit=10, namespace=kubectl.namespace))
    assert [len(page["schedules"]) for page in by_cursor] == [10, 10, 5]
    assert [name for page in by_cursor for name in names_on(page)] == names
    assert {page["total"] for page in by_cursor} == {25}

    by_offset = [
        api.get(
            "/schedules", params={"limit": 10, "offset": offset, "namespace": kubectl.namespace}
        ).json()
        for offset in (0, 10, 20, 30)
    ]
    assert by_offset[:3] == by_cursor
    assert (by_offset[3]["schedules"], by_offset[3]["total"]) == ([], 25)

    unpaged = api.get("/schedules").json()
    paged = list(pages(api, "/schedules", limit=7))
    assert [one for page in paged for one in page["schedules"]] == unpaged["schedules"]
    assert {page["total"] for page in paged} == {unpaged["total"]}


@pytest.mark.parametrize("query", [{}, {"enabled": True}])
def test_changes_between_pages_repeat_and_hide_nothing(
    api: httpx.Client, kubectl: Kubectl, query: dict[str, Any]
) -> None:
    names = create_many(kubectl, 12)
    all_pages = pages(api, "/schedules", limit=2, namespace=kubectl.namespace, **query)
    first = names_on(next(all_pages))
    kubectl.apply(schedule("a-new-one"))
    for name in first:
        kubectl("delete", "dls", name)
    rest = [name for page in all_pages for name in names_on(page)]
    expected = [name for number, name in enumerate(names) if not query or number % 2]
    assert [*first, *rest] == expected


def test_expired_cursor_goes_on_at_the_same_place(
    api: httpx.Client, kubectl: Kubectl, cluster: LocalCluster
) -> None:
    names = create_many(kubectl, 6)
    compact_etcd(cluster, kubectl)
    query: dict[str, Any] = {"limit": 2, "namespace": kubectl.namespace}
    link = api.get("/schedules", params=query).links["next"]["url"]
    text = httpx.URL(link).params["cursor"]
    cursor = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    token = cursor["token"]
    continue_token = json.loads(base64.b64decode(token + "=" * (-len(token) % 4)))
    continue_token["rv"] = 1
    cursor["token"] = base64.b64encode(json.dumps(continue_token).encode()).decode().rstrip("=")
    expired = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")
    rest = [
        name
        for page in pages(api, "/schedules", **query, cursor=expired)
        for name in names_on(page)
    ]
    assert rest == names[2:]


def compact_etcd(cluster: LocalCluster, kubectl: Kubectl) -> None:
    """Drop old versions, as the API server does every five minutes."""
    newest = max(int(item["metadata"]["resourceVersion"]) for item in kubectl.list("dls"))
    etcd = f"http://127.0.0.1:{cluster.layout.etcd_port}/v3/kv/compaction"
    body = json.dumps({"revision": str(newest), "physical": True}).encode()
    compact = f"import urllib.request as u; u.urlopen({etcd!r}, {body!r})"
    cluster.inside(sys.executable, "-c", compact)


def test_filters_select_schedules(api: httpx.Client, kubectl: Kubectl) -> None:
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
        page = api.get("/schedules", params={"namespace": kubectl.namespace, **query}).json()
        assert (names_on(page), page["total"]) == (expected, len(expected)), query
    empty = api.get("/schedules", params={"namespace": "nowhere"}).json()
    assert empty == {"schedules": [], "total": 0}


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
def test_invalid_parameter_is_named(api: httpx.Client, query: str, member: str) -> None:
    response = api.get(f"/schedules?{query}")
    assert response.status_code == 422
    assert member in response.json()["detail"]["error"]


@pytest.mark.parametrize("limit", [1, 500])
def test_limit_may_have_its_bounds(api: httpx.Client, limit: int) -> None:
    assert api.get("/schedules", params={"limit": limit}).status_code == 200


def ids(page: dict[str, Any]) -> list[str]:
    return [entry["execution_id"] for entry in page["executions"]]


def test_pages_of_the_history_have_either_order(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    record(kubectl, created, *(run(number, "Completed") for number in range(7)))
    path = f"/schedules/{created['id']}/history"
    newest_first = [f"run-{number}" for number in range(6, -1, -1)]
    descending = list(pages(api, path, limit=3))
    assert [ids(page) for page in descending] == [
        newest_first[:3],
        newest_first[3:6],
        newest_first[6:],
    ]
    assert [page["offset"] for page in descending] == [0, 3, 6]
    ascending = list(pages(api, path, limit=3, order="asc", status="completed"))
    assert [name for page in ascending for name in ids(page)] == newest_first[::-1]
    assert api.get(path, params={"order": "sideways"}).status_code == 422
    assert api.get(path, params={"cursor": "e30"}).status_code == 422


@pytest.mark.parametrize("time", ["0000-01-01T00:00:00Z", "2026-11-23t02:00:00z"])
def test_time_that_only_the_api_server_can_read_is_null(
    api: httpx.Client, kubectl: Kubectl, time: str
) -> None:
    created = create(api)
    record(kubectl, created, run(1, "Completed"), run(0, "Completed") | {"startTime": time})
    path = f"/schedules/{created['id']}/history"
    assert [entry["started_at"] is None for entry in api.get(path).json()["executions"]] == [0, 1]
    assert ids(api.get(path, params={"since": "2020-01-01T00:00:00Z"}).json()) == ["run-1"]


@pytest.mark.parametrize("time", ["2026-11-23", "2026-11-23T02:00:00", "1763863200", "yesterday"])
def test_time_without_date_or_zone_is_refused(api: httpx.Client, time: str) -> None:
    path = f"/schedules/{create(api)['id']}/history"
    for query in (f"since={time}", f"until={time}"):
        response = api.get(f"{path}?{query}")
        assert response.status_code == 422
        assert "write a time as in RFC 3339" in response.json()["detail"]["error"]


def test_plus_in_a_query_is_a_space(api: httpx.Client) -> None:
    path = f"/schedules/{create(api)['id']}/history"
    assert api.get(path, params={"since": "2026-11-23T02:00:00+02:00"}).status_code == 200
    response = api.get(f"{path}?since=2026-11-23T02:00:00+02:00")
    assert response.status_code == 422
    assert "in a query, write + as %2B" in response.json()["detail"]["error"]


def test_runs_may_come_and_go_between_pages(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    record(kubectl, created, *(run(number, "Completed") for number in range(6)))
    all_pages = pages(api, f"/schedules/{created['id']}/history", limit=2)
    assert ids(next(all_pages)) == ["run-5", "run-4"]
    record(kubectl, created, *(run(number, "Completed") for number in (1, 2, 3, 5, 6, 7)))
    assert [name for page in all_pages for name in ids(page)] == ["run-3", "run-2", "run-1"]


def test_dry_run_checks_everything_and_stores_nothing(api: httpx.Client, kubectl: Kubectl) -> None:
    body = {"name": "tried", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
    tried = api.post("/schedules?dry_run=true", json=body)
    assert tried.status_code == 201
    assert tried.json() | body == tried.json()
    assert "location" not in tried.headers
    assert kubectl.list("dls") == []
    created = create(api)
    path = f"/schedules/{created['id']}"
    for method in (api.patch, api.put):
        response = method(f"{path}?dry_run=true", json={**body, "backoff_limit": 7})
        assert (response.status_code, response.json()["backoff_limit"]) == (200, 7)
        assert "etag" not in response.headers
    for condition in ({}, {"If-Match": api.get(path).headers["etag"]}):
        deleted = api.delete(f"{path}?dry_run=true", headers=condition)
        assert (deleted.status_code, "would be deleted" in deleted.text) == (200, True)
    assert api.delete(f"{path}?dry_run=true", headers={"If-Match": '"x"'}).status_code == 412
    assert api.delete(f"{path}x?dry_run=true").status_code == 404
    assert api.get(path).json() == created
    bad = api.post("/schedules?dry_run=true", json={**body, "cron_expression": "x"})
    assert bad.status_code == 400
    assert api.post("/schedules?dry_run=true", json={**body, "namespace": "no"}).status_code == 404
