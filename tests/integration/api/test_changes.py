"""Schedules changed over HTTP: what is sent changes, everything else stays."""

import threading
from typing import Any

import httpx
import pytest

from download_api.schema.models import NewSchedule
from download_schedule.model import Spec
from tests.support.kubectl import Kubectl
from tests.support.result_reports import REPORT, create
from tests.support.schedules import schedule


def test_what_is_sent_changes_and_the_rest_stays(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api, headers={"Accept": "x"}, backoff_limit=1)
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    header = {"name": "Authorization", "valueFrom": secret}
    extra = {"verify": {"minBytes": 5}, "request": {"headers": [header], "maxRedirects": 1}}
    kubectl.patch("dls", made["resource"], {"spec": extra})
    answer = api.patch(
        f"/schedules/{made['id']}", json={"cron_expression": "0 3 * * *", "name": "Other"}
    )
    assert answer.status_code == 200
    assert (answer.json()["cron_expression"], answer.json()["name"]) == ("0 3 * * *", "Other")
    spec = kubectl.get("dls", made["resource"])["spec"]
    assert (spec["schedule"], spec["backoffLimit"], spec["verify"]["minBytes"]) == (
        "0 3 * * *",
        1,
        5,
    )
    assert spec["request"]["headers"] == [header]
    assert api.get(f"/schedules/{made['id']}").json() == answer.json()


def test_null_is_the_default_and_put_is_all_of_it(api: httpx.Client, kubectl: Kubectl) -> None:
    place = {"volume": {"claim_name": "data"}}
    made = create(api, destination=place, backoff_limit=1, headers={"Accept": "x"})
    changes = {"destination": None, "headers": {"Accept": None, "B": "c"}}
    changed = api.patch(f"/schedules/{made['id']}", json=changes).json()
    assert (changed["destination"], changed["headers"]) == (None, {"B": "c"})
    assert kubectl.get("dls", made["resource"])["spec"]["backoffLimit"] == 1
    whole = api.put(f"/schedules/{made['id']}", json={**REPORT, "destination": place}).json()
    assert (whole["destination"]["volume"]["claim_name"], whole["headers"]) == ("data", {})
    assert kubectl.get("dls", made["resource"])["spec"]["backoffLimit"] == 3


def test_a_change_of_what_is_not_there_any_more_is_refused(api: httpx.Client) -> None:
    made = create(api)
    where = f"/schedules/{made['id']}"
    tag = api.get(where).headers["etag"]
    first = api.patch(where, json={"enabled": False}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    late = api.patch(where, json={"enabled": True}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["detail"]["error_type"]) == (412, "precondition_failed")
    assert not api.get(where).json()["enabled"]
    assert api.patch(where, json={}, headers={"If-Match": "*"}).json() == first.json()


def test_a_change_of_the_name_is_a_change_too(api: httpx.Client) -> None:
    made = create(api)
    where = f"/schedules/{made['id']}"
    tag = {"If-Match": api.get(where).headers["etag"]}
    named = api.patch(where, json={"name": "Other"}, headers=tag)
    assert (named.status_code, named.json()["name"]) == (200, "Other")
    late = api.put(where, json={**REPORT, "name": "Third"}, headers=tag)
    assert late.status_code == 412
    assert api.get(where).json()["name"] == "Other"


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"cron_expression": "61 * * * *"}, 400, "minute"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"url": "ftp://x"}, 422, "url must start with http"),
        ({"backoff_limit": 11}, 422, "backoff_limit"),
        ({"enabled": "perhaps"}, 422, "enabled"),
        ({"namespace": "other"}, 422, "stays where it is"),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    api: httpx.Client, changes: dict[str, Any], status: int, sentence: str
) -> None:
    made = create(api)
    answer = api.patch(f"/schedules/{made['id']}", json=changes)
    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert api.get(f"/schedules/{made['id']}").json() == made


def test_what_is_deleted_meanwhile_is_not_there(api: httpx.Client) -> None:
    kinds = set()
    for _ in range(10):
        where = f"/schedules/{create(api)['id']}"
        deleting = threading.Thread(target=api.delete, args=(where,))
        deleting.start()
        while (answer := api.patch(where, json={"backoff_limit": 1})).is_success:
            pass
        deleting.join()
        kinds.add((answer.status_code, answer.json()["detail"]["error_type"]))
    assert kinds == {(404, "schedule_not_found")}


def test_one_deletes_only_what_one_has_seen(api: httpx.Client, kubectl: Kubectl) -> None:
    where = f"/schedules/{create(api)['id']}"
    seen = {"If-Match": api.get(where).headers["etag"]}
    changed = api.patch(where, json={"enabled": False})
    late = api.delete(where, headers=seen)
    assert (late.status_code, late.json()["detail"]["error_type"]) == (412, "precondition_failed")
    assert api.get(where).json() == changed.json()
    newest = {"If-Match": changed.headers["etag"]}
    assert api.delete(where, headers=newest).status_code == 200
    assert kubectl.list("dls") == []
    assert api.delete(where, headers=newest).status_code == 404


def test_there_must_be_something_to_change(api: httpx.Client) -> None:
    for method in (api.patch, api.put):
        assert method("/schedules/team.nothing", json=REPORT).status_code == 404
    made = create(api)
    assert api.patch(f"/schedules/{made['id']}", json=[1]).status_code == 422


EVERYTHING = {
    "format": "raw",
    "headers": {"Accept": "text/csv"},
    "secret_headers": {"Authorization": {"name": "token", "key": "header"}},
    "time_zone": "Europe/Berlin",
    "request": {
        "method": "POST",
        "body": "a=1",
        "compressed": True,
        "connect_timeout_seconds": 3,
        "stall_timeout_seconds": 4,
        "max_redirects": 0,
    },
    "verify": {
        "sha256": "0" * 64,
        "min_bytes": 1,
        "max_bytes": 2,
        "content_types": ["text/csv", "text/*"],
    },
    "only_if_changed": True,
    "keep_last": 7,
    "destination": {"volume": {"claim_name": "data", "path": "{name}/{filename}"}},
    "concurrency_policy": "Replace",
    "starting_deadline_seconds": 60,
    "backoff_limit": 0,
    "active_deadline_seconds": 61,
    "history_limit": 1,
}


def test_everything_that_the_resource_says_can_be_said(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api, **EVERYTHING)
    shown = {name: made[name] for name in EVERYTHING}
    shown["destination"] = {"volume": made["destination"]["volume"]}
    assert shown == EVERYTHING
    spec = kubectl.get("dls", made["resource"])["spec"]
    assert spec["request"]["headers"] == [
        {"name": "Accept", "value": "text/csv"},
        {
            "name": "Authorization",
            "valueFrom": {"secretKeyRef": {"name": "token", "key": "header"}},
        },
    ]
    assert spec["request"]["maxRedirects"] == 0
    assert spec["verify"]["contentTypes"] == ["text/csv", "text/*"]
    assert spec.keys() == {field.alias for field in Spec.model_fields.values()}
    again = {name: made[name] for name in NewSchedule.model_fields if name != "namespace"}
    before = kubectl.get("dls", made["resource"])["metadata"]["generation"]
    for method in (api.put, api.patch):
        answer = method(f"/schedules/{made['id']}", json=again)
        assert answer.json() == made
    assert kubectl.get("dls", made["resource"])["metadata"]["generation"] == before


@pytest.mark.parametrize(
    "destination",
    [
        {"discard": {}},
        {
            "s3": {
                "bucket": "reports",
                "key": "{filename}",
                "endpoint": "https://s3.example.com",
                "region": "eu-central-1",
                "credentials_secret_ref": {"name": "s3"},
            }
        },
    ],
)
def test_other_destinations(api: httpx.Client, destination: dict[str, Any]) -> None:
    made = create(api, destination=destination)
    found = {name: value for name, value in made["destination"].items() if value is not None}
    assert found == destination


def test_a_patch_reaches_inside(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api, **EVERYTHING)
    where = f"/schedules/{made['id']}"
    changes = {
        "request": {"max_redirects": 2, "compressed": None},
        "headers": {"Accept": None, "X-One": "1"},
        "verify": {"sha256": None},
        "keep_last": None,
        "backoff_limit": None,
    }
    changed = api.patch(where, json=changes).json()
    assert changed["request"] == {**made["request"], "max_redirects": 2, "compressed": False}
    assert (changed["headers"], changed["secret_headers"]) == (
        {"X-One": "1"},
        made["secret_headers"],
    )
    assert changed["verify"] == {**made["verify"], "sha256": None}
    assert (changed["keep_last"], changed["backoff_limit"]) == (None, 3)
    assert "keepLast" not in kubectl.get("dls", made["resource"])["spec"]
    refused = api.patch(where, json={"destination": {"discard": {}}})
    assert (refused.status_code, "one member" in refused.text) == (422, True)
    moved = api.patch(
        where, json={"destination": {"volume": None, "discard": {}}, "only_if_changed": False}
    )
    assert moved.json()["destination"] == {"volume": None, "s3": None, "discard": {}}


def test_a_schedule_that_never_fires_can_be_put_right(api: httpx.Client, kubectl: Kubectl) -> None:
    kubectl.apply(schedule("never", schedule="0 0 31 2 *"))
    where = f"/schedules/{kubectl.namespace}.never"
    assert api.get(where).json()["next_run_time"] is None
    assert api.patch(where, json={"enabled": False}).status_code == 400
    assert api.patch(where, json={"cron_expression": "0 0 1 2 *"}).status_code == 200


def test_writes_of_the_operator_are_no_conflict(api: httpx.Client, kubectl: Kubectl) -> None:
    made = create(api)
    where, stop = f"/schedules/{made['id']}", threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            patch = {"status": {"active": number % 100}}
            kubectl.patch("dls", made["resource"], patch, "--subresource=status")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(40):
            changed = api.patch(where, json={"backoff_limit": number % 10})
            assert changed.status_code == 200, changed.text
            assert changed.json()["backoff_limit"] == number % 10
    finally:
        stop.set()
        writer.join()


def test_the_same_key_is_the_same_schedule(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "of-today"}
    first = api.post("/schedules", json=REPORT, headers=key)
    again = api.post("/schedules", json=REPORT, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    assert create(api)["id"] != first.json()["id"]


def test_a_key_whose_schedule_is_being_deleted_makes_it_anew(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "of-today"}
    where = api.post("/schedules", json=REPORT, headers=key).headers["location"]
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            api.delete(where)

    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        codes = {api.post("/schedules", json=REPORT, headers=key).status_code for _ in range(300)}
    finally:
        over.set()
        deleting.join()
    assert codes == {201}


@pytest.mark.parametrize("change", [{"name": "Other"}, {"url": "https://example.com/y"}])
def test_a_key_is_for_one_request(api: httpx.Client, change: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "of-today"}
    assert api.post("/schedules", json=REPORT, headers=key).status_code == 201
    other = api.post("/schedules", json={**REPORT, **change}, headers=key)
    assert other.status_code == 422
    assert other.json()["detail"]["error_type"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_a_key_has_1_to_128_characters(api: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = api.post("/schedules", json=REPORT, headers=headers)
    assert (answer.status_code, answer.json()["detail"]["error_type"]) == (422, "validation_error")
    longest = {"Idempotency-Key": "x" * 128}
    assert api.post("/schedules", json=REPORT, headers=longest).status_code == 201
