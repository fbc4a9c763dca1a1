"""Changes of schedules over HTTP: what is sent changes, everything else stays."""

import threading
from typing import Any

import httpx
import pytest

from download_api.schema.models import NewSchedule
from download_schedule.model import Spec
from tests.support.api_schedules import REPORT, create
from tests.support.schedules import schedule
from tools.cluster.kubectl import Kubectl


def test_patch_changes_what_is_sent_and_nothing_else(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api, headers={"Accept": "x"}, backoff_limit=1)
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    header = {"name": "Authorization", "valueFrom": secret}
    extra = {"verify": {"minBytes": 5}, "request": {"headers": [header], "maxRedirects": 1}}
    kubectl.patch("dls", created["resource"], {"spec": extra})
    response = api.patch(
        f"/schedules/{created['id']}", json={"cron_expression": "0 3 * * *", "name": "Other"}
    )
    assert response.status_code == 200
    assert (response.json()["cron_expression"], response.json()["name"]) == ("0 3 * * *", "Other")
    spec = kubectl.get("dls", created["resource"])["spec"]
    assert (spec["schedule"], spec["backoffLimit"], spec["verify"]["minBytes"]) == (
        "0 3 * * *",
        1,
        5,
    )
    assert spec["request"]["headers"] == [header]
    assert api.get(f"/schedules/{created['id']}").json() == response.json()


def test_null_restores_the_default_and_put_replaces_everything(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    destination = {"volume": {"claim_name": "data"}}
    created = create(api, destination=destination, backoff_limit=1, headers={"Accept": "x"})
    changes = {"destination": None, "headers": {"Accept": None, "B": "c"}}
    changed = api.patch(f"/schedules/{created['id']}", json=changes).json()
    assert (changed["destination"], changed["headers"]) == (None, {"B": "c"})
    assert kubectl.get("dls", created["resource"])["spec"]["backoffLimit"] == 1
    replaced = api.put(
        f"/schedules/{created['id']}", json={**REPORT, "destination": destination}
    ).json()
    assert (replaced["destination"]["volume"]["claim_name"], replaced["headers"]) == ("data", {})
    assert kubectl.get("dls", created["resource"])["spec"]["backoffLimit"] == 3


def test_wait_for_a_late_file_is_changed_member_by_member(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    created = create(api, wait_for={"at_most_seconds": 600})
    path = f"/schedules/{created['id']}"
    by_default = {"until": "Exists", "every_seconds": 300, "statuses": [404]}
    assert created["wait_for"] == {**by_default, "at_most_seconds": 600}
    changed = api.patch(path, json={"wait_for": {"every_seconds": 60}}).json()
    assert changed["wait_for"] == {**created["wait_for"], "every_seconds": 60}
    refused = api.patch(path, json={"wait_for": {"at_most_seconds": 3541}})
    assert refused.status_code == 422
    assert "write an active_deadline_seconds that is greater than" in refused.text
    assert api.patch(path, json={"wait_for": None}).json()["wait_for"] is None
    assert "waitFor" not in kubectl.get("dls", created["resource"])["spec"]


def test_patch_of_an_outdated_version_is_refused(api: httpx.Client) -> None:
    created = create(api)
    path = f"/schedules/{created['id']}"
    tag = api.get(path).headers["etag"]
    first = api.patch(path, json={"enabled": False}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    late = api.patch(path, json={"enabled": True}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["detail"]["error_type"]) == (412, "precondition_failed")
    assert not api.get(path).json()["enabled"]
    assert api.patch(path, json={}, headers={"If-Match": "*"}).json() == first.json()


def test_new_name_is_a_new_version(api: httpx.Client) -> None:
    created = create(api)
    path = f"/schedules/{created['id']}"
    tag = {"If-Match": api.get(path).headers["etag"]}
    named = api.patch(path, json={"name": "Other"}, headers=tag)
    assert (named.status_code, named.json()["name"]) == (200, "Other")
    late = api.put(path, json={**REPORT, "name": "Third"}, headers=tag)
    assert late.status_code == 412
    assert api.get(path).json()["name"] == "Other"


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"cron_expression": "61 * * * *"}, 400, "minute"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"url": "ftp://x"}, 422, "url must start with http"),
        ({"backoff_limit": 11}, 422, "backoff_limit"),
        ({"enabled": "perhaps"}, 422, "enabled"),
        ({"namespace": "other"}, 422, "a schedule cannot move"),
    ],
)
def test_invalid_patch_is_refused_and_changes_nothing(
    api: httpx.Client, changes: dict[str, Any], status: int, message: str
) -> None:
    created = create(api)
    response = api.patch(f"/schedules/{created['id']}", json=changes)
    assert (response.status_code, message in response.text) == (status, True), response.text
    assert api.get(f"/schedules/{created['id']}").json() == created


def test_patch_of_a_schedule_that_is_deleted_meanwhile_is_a_404(api: httpx.Client) -> None:
    refusals = set()
    for _ in range(10):
        path = f"/schedules/{create(api)['id']}"
        deleting = threading.Thread(target=api.delete, args=(path,))
        deleting.start()
        while (response := api.patch(path, json={"backoff_limit": 1})).is_success:
            pass
        deleting.join()
        refusals.add((response.status_code, response.json()["detail"]["error_type"]))
    assert refusals == {(404, "schedule_not_found")}


def test_delete_of_an_outdated_version_is_refused(api: httpx.Client, kubectl: Kubectl) -> None:
    path = f"/schedules/{create(api)['id']}"
    seen = {"If-Match": api.get(path).headers["etag"]}
    changed = api.patch(path, json={"enabled": False})
    late = api.delete(path, headers=seen)
    assert (late.status_code, late.json()["detail"]["error_type"]) == (412, "precondition_failed")
    assert api.get(path).json() == changed.json()
    newest = {"If-Match": changed.headers["etag"]}
    assert api.delete(path, headers=newest).status_code == 200
    assert kubectl.list("dls") == []
    assert api.delete(path, headers=newest).status_code == 404


def test_patch_and_put_of_an_unknown_schedule_are_a_404(api: httpx.Client) -> None:
    for method in (api.patch, api.put):
        assert method("/schedules/team.nothing", json=REPORT).status_code == 404
    created = create(api)
    assert api.patch(f"/schedules/{created['id']}", json=[1]).status_code == 422


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
    "destination": {
        "volume": {"claim_name": "data", "path": "{name}/{filename}", "overwrite": True}
    },
    "concurrency_policy": "Replace",
    "starting_deadline_seconds": 60,
    "backoff_limit": 0,
    "active_deadline_seconds": 661,
    "history_limit": 1,
    "wait_for": {
        "until": "Changed",
        "every_seconds": 10,
        "at_most_seconds": 601,
        "statuses": [403, 404],
    },
    "exclude": {
        "dates": ["2026-12-25"],
        "weekdays": ["Sun"],
        "month_days": [-1],
        "calendar_ref": {"name": "holidays"},
    },
}


def test_every_member_of_the_resource_can_be_set(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api, **EVERYTHING)
    members = {name: created[name] for name in EVERYTHING}
    members["destination"] = {"volume": created["destination"]["volume"]}
    assert members == EVERYTHING
    spec = kubectl.get("dls", created["resource"])["spec"]
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
    again = {name: created[name] for name in NewSchedule.model_fields if name != "namespace"}
    before = kubectl.get("dls", created["resource"])["metadata"]["generation"]
    for method in (api.put, api.patch):
        response = method(f"/schedules/{created['id']}", json=again)
        assert response.json() == created
    assert kubectl.get("dls", created["resource"])["metadata"]["generation"] == before


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
def test_destination_is_returned_as_it_was_sent(
    api: httpx.Client, destination: dict[str, Any]
) -> None:
    created = create(api, destination=destination)
    returned = {name: v for name, v in created["destination"].items() if v is not None}
    assert returned == destination


def test_patch_changes_members_at_any_depth(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api, **EVERYTHING)
    path = f"/schedules/{created['id']}"
    changes = {
        "request": {"max_redirects": 2, "compressed": None},
        "headers": {"Accept": None, "X-One": "1"},
        "verify": {"sha256": None},
        "keep_last": None,
        "backoff_limit": None,
    }
    changed = api.patch(path, json=changes).json()
    assert changed["request"] == {**created["request"], "max_redirects": 2, "compressed": False}
    assert (changed["headers"], changed["secret_headers"]) == (
        {"X-One": "1"},
        created["secret_headers"],
    )
    assert changed["verify"] == {**created["verify"], "sha256": None}
    assert (changed["keep_last"], changed["backoff_limit"]) == (None, 3)
    assert "keepLast" not in kubectl.get("dls", created["resource"])["spec"]
    refused = api.patch(path, json={"destination": {"discard": {}}})
    assert (refused.status_code, "one member" in refused.text) == (422, True)
    without_file = {"only_if_changed": False, "wait_for": None}
    moved = api.patch(path, json={"destination": {"volume": None, "discard": {}}, **without_file})
    assert moved.json()["destination"] == {"volume": None, "s3": None, "discard": {}}


def test_schedule_that_never_fires_can_be_corrected(api: httpx.Client, kubectl: Kubectl) -> None:
    kubectl.apply(schedule("never", schedule="0 0 31 2 *"))
    path = f"/schedules/{kubectl.namespace}.never"
    assert api.get(path).json()["next_run_time"] is None
    assert api.patch(path, json={"enabled": False}).status_code == 400
    assert api.patch(path, json={"cron_expression": "0 0 1 2 *"}).status_code == 200


def test_writes_of_the_operator_do_not_fail_a_patch(api: httpx.Client, kubectl: Kubectl) -> None:
    created = create(api)
    path, stop = f"/schedules/{created['id']}", threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            patch = {"status": {"active": number % 100}}
            kubectl.patch("dls", created["resource"], patch, "--subresource=status")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(40):
            changed = api.patch(path, json={"backoff_limit": number % 10})
            assert changed.status_code == 200, changed.text
            assert changed.json()["backoff_limit"] == number % 10
    finally:
        stop.set()
        writer.join()


def test_repeated_key_returns_the_same_schedule(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "today"}
    first = api.post("/schedules", json=REPORT, headers=key)
    again = api.post("/schedules", json=REPORT, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["id"] == first.json()["id"]
    assert create(api)["id"] != first.json()["id"]


def test_key_of_a_schedule_that_is_being_deleted_creates_it_again(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "today"}
    path = api.post("/schedules", json=REPORT, headers=key).headers["location"]
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            api.delete(path)

    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        codes = {api.post("/schedules", json=REPORT, headers=key).status_code for _ in range(300)}
    finally:
        over.set()
        deleting.join()
    assert codes == {201}


@pytest.mark.parametrize("change", [{"name": "Other"}, {"url": "https://example.com/y"}])
def test_key_of_another_request_is_refused(api: httpx.Client, change: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "today"}
    assert api.post("/schedules", json=REPORT, headers=key).status_code == 201
    other = api.post("/schedules", json={**REPORT, **change}, headers=key)
    assert other.status_code == 422
    assert other.json()["detail"]["error_type"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_key_without_1_to_128_characters_is_refused(api: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    response = api.post("/schedules", json=REPORT, headers=headers)
    assert (response.status_code, response.json()["detail"]["error_type"]) == (
        422,
        "validation_error",
    )
    longest = {"Idempotency-Key": "x" * 128}
    assert api.post("/schedules", json=REPORT, headers=longest).status_code == 201


def test_days_that_are_left_out_are_stored_shown_and_passed_over(
    api: httpx.Client, kubectl: Kubectl
) -> None:
    exclude = {"dates": ["2026-01-01/2998-12-31"], "calendar_ref": {"name": "holidays"}}
    created = create(api, exclude=exclude)
    shown = {"weekdays": [], "month_days": [], **exclude}
    assert (created["exclude"], created["next_run_time"]) == (shown, None)
    stored = kubectl.get("dls", created["resource"])["spec"]["exclude"]
    assert stored["calendarRef"] == {"name": "holidays"}
    changes = {"exclude": {"dates": [], "calendar_ref": None, "month_days": [-1]}}
    changed = api.patch(f"/schedules/{created['id']}", json=changes).json()
    assert changed["exclude"] == {**shown, "dates": [], "month_days": [-1], "calendar_ref": None}
    assert changed["next_run_time"]
    wrong = api.patch(f"/schedules/{created['id']}", json={"exclude": {"month_days": [1, 1]}})
    assert wrong.status_code == 422
    assert "month_days" in wrong.text or "monthDays" in wrong.text
