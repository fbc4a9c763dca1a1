"""Every route for every caller, with tokens, Roles and reviews of a real API server."""

import inspect
import json
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from download_api.app import build_app
from download_api.auth.guard import GuardedRoute
from download_api.settings import Settings
from download_kube.login import login
from tests.support.api_process import StartApi, api_servers
from tests.support.api_schedules import REPORT
from tests.support.callers import (
    API_ACCOUNT,
    PROGRAM_KEY,
    RUN_ID,
    WRITE,
    Callers,
    bearer,
    binding,
    hashed_keys,
    install_account,
    kubeconfig_of,
    role,
)
from tests.support.schedules import schedule
from tools.cluster import LocalCluster, binaries
from tools.cluster.kubectl import Kubectl, RefusedError, wait_for

MERGE = {"backoff_limit": 2}
READ_ONE = {"reader": 200, "editor": 200, "program": 200, "admin": 200, "*": 404}
WRITE_ONE = {"reader": 403, "editor": 200, "program": 200, "admin": 200, "*": 404}
EVERYONE = {"*": 200}
ONE = "/schedules/{schedule_id}"

NO_LOG = "log_not_found"
"""The caller may read the log, but the run's Pods are gone."""
NO_FILE = "content_not_found"
"""The caller may read the file, but the run kept none."""
MATRIX: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {
    ("POST", "/schedules"): (
        REPORT,
        {"editor": 201, "program": 201, "admin": 201, "*": 403},
    ),
    ("GET", "/schedules"): (None, EVERYONE),
    ("GET", ONE): (None, READ_ONE),
    ("PATCH", ONE): (MERGE, WRITE_ONE),
    ("PUT", ONE): (REPORT, WRITE_ONE),
    ("DELETE", ONE): (None, WRITE_ONE),
    ("POST", f"{ONE}/suspend"): (None, WRITE_ONE),
    ("POST", f"{ONE}/resume"): (None, WRITE_ONE),
    ("POST", f"{ONE}/run"): (
        None,
        {"reader": 403, "editor": 202, "program": 202, "admin": 202, "*": 404},
    ),
    ("GET", f"{ONE}/history"): (None, READ_ONE),
    ("GET", f"{ONE}/ticks"): (None, READ_ONE),
    ("GET", f"{ONE}/history/{{execution_id}}"): (None, READ_ONE),
    ("GET", f"{ONE}/history/{{execution_id}}/log"): (
        None,
        {"reader": 403, "editor": NO_LOG, "program": NO_LOG, "admin": NO_LOG, "*": 404},
    ),
    ("GET", f"{ONE}/history/{{execution_id}}/content"): (
        None,
        {"reader": 403, "editor": NO_FILE, "program": NO_FILE, "admin": NO_FILE, "*": 404},
    ),
    ("HEAD", f"{ONE}/history/{{execution_id}}/content"): (
        None,
        {"reader": 403, "editor": NO_FILE, "program": NO_FILE, "admin": NO_FILE, "*": 404},
    ),
    ("GET", "/events"): (
        None,
        {"reader": 403, "editor": 200, "program": 200, "admin": 200, "*": 403},
    ),
    ("GET", "/cron/preview"): (None, EVERYONE),
}
"""Request body of each route, and its response to each caller; * means all other callers who are
authenticated."""
CALLERS = (
    "anonymous",
    "wrong-audience",
    "nobody",
    "reader",
    "editor",
    "outsider",
    "admin",
    "program",
)
UNGUARDED = {
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
}


@pytest.fixture(scope="module")
def guarded(
    cluster: LocalCluster, callers: Callers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of an API with only the permissions that the chart gives it."""
    folder = tmp_path_factory.mktemp("guarded")
    install_account(callers.team, "api.auth=kubernetes")
    kubeconfig = kubeconfig_of(callers.team, API_ACCOUNT, folder)
    with api_servers(kubeconfig, folder) as start:
        yield start(
            auth="kubernetes", key_file=str(hashed_keys(folder)), namespace=callers.team.namespace
        )


def routes() -> list[Any]:
    app = build_app(Settings(), login)
    return list(iter_route_contexts(app.routes))


def test_every_route_checks_a_permission() -> None:
    unguarded = {r.path for r in routes() if not isinstance(r.original_route, GuardedRoute)}
    assert unguarded == UNGUARDED
    for route in routes():
        if isinstance(route.original_route, GuardedRoute):
            required = route.original_route.required_permission
            checks_itself = "access" in inspect.signature(route.endpoint).parameters
            assert not required.verb or "{schedule_id}" in route.path or checks_itself


def test_the_matrix_has_every_route() -> None:
    served = {(method, r.path) for r in routes() if r.path not in UNGUARDED for method in r.methods}
    assert served == set(MATRIX)


def call(
    api: httpx.Client, callers: Callers, route: tuple[str, str], headers: dict[str, str]
) -> httpx.Response:
    method, template = route
    path = template.format(schedule_id=callers.report, execution_id=RUN_ID)
    parameters = {
        "/cron/preview": {"expr": "0 2 * * *"},
        "/events": {"namespace": callers.team.namespace},
    }
    body = MATRIX[route][0]
    if template.endswith("/run"):
        headers = {"Idempotency-Key": "one-run-for-all", **headers}
    with api.stream(
        method, path, params=parameters.get(template, {}), json=body, headers=headers
    ) as response:
        if not response.headers["content-type"].startswith("text/event-stream"):
            response.read()
    return response


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
def test_response_of_each_route_to_each_caller(
    guarded: httpx.Client, callers: Callers, route: tuple[str, str], caller: str
) -> None:
    expected = MATRIX[route][1]
    response = call(guarded, callers, route, callers.headers[caller])
    if caller in ("anonymous", "wrong-audience"):
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer ")
        return
    outcome = expected.get(caller, expected["*"])
    if route[0] == "HEAD":
        assert response.status_code == (404 if outcome == NO_FILE else outcome)
        return
    if outcome in (NO_LOG, NO_FILE):
        assert (response.status_code, response.json()["detail"]["error_type"]) == (404, outcome)
        return
    assert response.status_code == outcome
    if response.status_code == 404:
        assert response.json()["detail"]["error_type"] == "schedule_not_found"
    if response.status_code == 403:
        assert f"in the namespace {callers.team.namespace}" in response.json()["detail"]["error"]
    if route[0] == "DELETE" and response.status_code == 200:
        callers.create_report()


def test_refused_requests_change_nothing(guarded: httpx.Client, callers: Callers) -> None:
    def state() -> list[tuple[str, str]]:
        return [
            (item["metadata"]["name"], item["metadata"]["resourceVersion"])
            for item in callers.team.list("dls")
        ]

    before = state()
    for route in MATRIX:
        if route[0] not in ("GET", "HEAD"):
            for caller in ("anonymous", "wrong-audience", "nobody", "reader", "outsider"):
                assert call(guarded, callers, route, callers.headers[caller]).status_code >= 401
    assert state() == before


@pytest.mark.parametrize(
    ("caller", "in_team", "elsewhere"),
    [
        ("nobody", False, False),
        ("reader", True, False),
        ("outsider", False, True),
        ("admin", True, True),
        ("program", True, False),
    ],
)
def test_list_has_the_schedules_that_the_caller_may_list(
    guarded: httpx.Client, callers: Callers, caller: str, in_team: bool, elsewhere: bool
) -> None:
    listed = guarded.get("/schedules", headers=callers.headers[caller]).json()
    ids = {item["id"] for item in listed["schedules"]}
    assert listed["total"] == len(ids)
    assert (callers.report in ids) == in_team
    assert (f"{callers.elsewhere.namespace}.theirs" in ids) == elsewhere


def test_owner_me_lists_what_the_caller_created(guarded: httpx.Client, callers: Callers) -> None:
    def owned(caller: str, **query: str) -> set[str]:
        headers = callers.headers[caller]
        listed = guarded.get("/schedules", params={"owner": "me", **query}, headers=headers).json()
        return {item["id"] for item in listed["schedules"]}

    before = owned("editor"), owned("program")
    created = guarded.post("/schedules", json=REPORT, headers=callers.headers["editor"]).json()[
        "id"
    ]
    guarded.patch(f"/schedules/{created}", json=MERGE, headers=callers.headers["admin"])
    assert owned("editor") == {*before[0], created}
    assert owned("program") == before[1]
    assert owned("editor", label_selector="team=nobody") == set()
    assert created in owned("editor", limit="500", namespace=callers.team.namespace)
    assert callers.report not in owned("editor")
    stored = callers.team.get("dls", created.partition(".")[2])
    editor = f"system:serviceaccount:{callers.team.namespace}:editor"
    assert stored["metadata"]["annotations"]["downloads.dev/owner"] == editor


def test_hidden_schedule_looks_like_one_that_does_not_exist(
    guarded: httpx.Client, callers: Callers
) -> None:
    headers = callers.headers["nobody"]
    for action in ("", "/history", "/ticks", f"/history/{RUN_ID}"):
        hidden = guarded.get(f"/schedules/{callers.report}{action}", headers=headers)
        absent = guarded.get(f"/schedules/{callers.team.namespace}.no{action}", headers=headers)
        assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert guarded.get("/schedules/no-id", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {PROGRAM_KEY}"},
        {"X-API-Key": "wrong"},
    ],
)
def test_malformed_credentials_are_refused(guarded: httpx.Client, headers: dict[str, str]) -> None:
    response = guarded.post("/schedules", content=b"{", headers=headers)
    assert response.status_code == 401
    assert "--audience=download-operator" in response.json()["detail"]["error"]


def test_token_is_not_a_key_and_wrong_key_is_not_replaced_by_a_token(
    guarded: httpx.Client, callers: Callers
) -> None:
    token = callers.token("editor")
    assert guarded.get("/schedules", headers={"X-API-Key": token}).status_code == 401
    assert guarded.get("/schedules", headers=bearer(PROGRAM_KEY)).status_code == 200
    both = {**bearer(token), "X-API-Key": "wrong"}
    assert guarded.get("/schedules", headers=both).status_code == 401
    token_for_the_api_server = callers.team("create", "token", "editor").strip()
    assert guarded.get("/schedules", headers=bearer(token_for_the_api_server)).status_code == 401


def test_claim_needs_the_permission_of_the_caller(guarded: httpx.Client, callers: Callers) -> None:
    new = {**REPORT, "name": "kept", "destination": {"volume": {"claim_name": "data"}}}
    headers = callers.headers["editor"]
    refused = guarded.post("/schedules", json=new, headers=headers)
    assert refused.status_code == 403
    assert "may not use persistentvolumeclaims data" in refused.json()["detail"]["error"]
    moved = {"destination": {"volume": {"claim_name": "data"}}}
    path = f"/schedules/{callers.report}"
    assert guarded.patch(path, json=moved, headers=headers).status_code == 403
    assert guarded.post("/schedules", json=new, headers=callers.headers["admin"]).status_code == 201
    allow(callers, "claims", "persistentvolumeclaims", "data", "use")
    wait_for(
        "the permission for the claim",
        lambda: guarded.post("/schedules", json=new, headers=headers).status_code == 201,
    )
    assert guarded.patch(path, json=moved, headers=headers).status_code == 200


def test_secret_is_sent_elsewhere_only_with_the_permission_of_the_caller(
    guarded: httpx.Client, callers: Callers
) -> None:
    source = {"valueFrom": {"secretKeyRef": {"name": "token", "key": "header"}}}
    request = {"headers": [{"name": "Authorization", **source}]}
    callers.team.apply(schedule("secretive", request=request))
    path, headers = f"/schedules/{callers.team.namespace}.secretive", callers.headers["editor"]
    elsewhere = {"url": "https://evil.example/"}
    refused = guarded.patch(path, json=elsewhere, headers=headers)
    assert refused.status_code == 403
    assert "may not get secrets token" in refused.json()["detail"]["error"]
    assert callers.team.get("dls", "secretive")["spec"]["url"] == schedule("x")["spec"]["url"]
    for harmless in ({"cron_expression": "0 3 * * *"}, {"secret_headers": {"Authorization": None}}):
        assert guarded.patch(path, json=harmless, headers=headers).status_code == 200
    callers.team.apply(schedule("secretive", request=request))
    allow(callers, "secrets", "secrets", "token", "get")
    wait_for(
        "the permission for the Secret",
        lambda: guarded.patch(path, json=elsewhere, headers=headers).status_code == 200,
    )


def allow(callers: Callers, role_name: str, resource: str, name: str, verb: str) -> None:
    """Allow the editor to do one thing with one object."""
    manifest = role(role_name, [("", [resource], [verb])])
    manifest["rules"][0]["resourceNames"] = [name]
    editor = {"kind": "ServiceAccount", "name": "editor", "namespace": callers.team.namespace}
    callers.team.apply(manifest, binding(role_name, editor))


def test_revoked_permission_stops_the_next_change(guarded: httpx.Client, callers: Callers) -> None:
    callers.add("leaver", WRITE, callers.team)
    headers, path = callers.headers["leaver"], f"/schedules/{callers.report}"

    def status() -> int:
        return guarded.patch(path, json=MERGE, headers=headers).status_code

    wait_for("the permission", lambda: status() == 200)
    assert guarded.get(path, headers=headers).status_code == 200
    callers.team("delete", "rolebinding", "leaver")
    wait_for("the refusal", lambda: status() == 404, timeout=5)
    callers.team("delete", "serviceaccount", "leaver")
    wait_for("the end of the token", lambda: status() == 401, timeout=15)


def test_revoked_permission_ends_the_stream(guarded: httpx.Client, callers: Callers) -> None:
    callers.add("listener", WRITE, callers.team)
    headers = callers.headers["listener"]

    def follow() -> AbstractContextManager[httpx.Response]:
        query = {"namespace": callers.team.namespace}
        return guarded.stream("GET", "/events", params=query, headers=headers)

    def allowed() -> bool:
        with follow() as response:
            return response.status_code == 200

    wait_for("the permission", allowed)
    with follow() as response:
        callers.team("delete", "rolebinding", "listener")
        started_at = time.monotonic()
        for _ in response.iter_bytes():
            assert time.monotonic() - started_at < 50
    with follow() as response:
        assert response.status_code == 403


def test_permission_for_one_name_is_enough_for_that_schedule(
    guarded: httpx.Client, callers: Callers
) -> None:
    callers.add("pinned", [], callers.team)
    manifest = role("pinned", [("downloads.dev", ["downloadschedules"], ["get"])])
    manifest["rules"][0]["resourceNames"] = ["report"]
    callers.team.apply(manifest)
    headers = callers.headers["pinned"]
    path = f"/schedules/{callers.report}"
    wait_for(
        "the permission", lambda: guarded.get(path, headers=headers).status_code == 200, every=1
    )
    assert guarded.get("/schedules", headers=headers).json()["total"] == 0
    assert guarded.delete(path, headers=headers).status_code == 403


def test_api_without_the_permission_to_review_admits_nobody(
    start_api: StartApi, callers: Callers, tmp_path: Path, kubectl: Kubectl
) -> None:
    kubectl("create", "serviceaccount", "powerless")
    kubeconfig = kubeconfig_of(kubectl, "powerless", tmp_path)
    api = start_api(kubeconfig=kubeconfig, auth="kubernetes", key_file=str(hashed_keys(tmp_path)))
    for caller in ("admin", "program"):
        for route in MATRIX:
            if caller == "program" and route[1] == "/cron/preview":
                continue  # requires no permission
            assert call(api, callers, route, callers.headers[caller]).status_code == 503


def test_without_the_cluster_nobody_is_admitted(
    guarded: httpx.Client, callers: Callers, cluster: LocalCluster
) -> None:
    path = f"/schedules/{callers.report}"
    cluster.signal("kube-apiserver", signal.SIGKILL)
    for method in ("GET", "DELETE"):
        response = guarded.request(method, path, headers=callers.headers["admin"])
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
    cluster.restart("kube-apiserver")
    wait_for(
        "the Roles",
        lambda: guarded.get(path, headers=callers.headers["admin"]).status_code == 200,
    )


SCHEDULES = {("downloads.dev", "downloadschedules", verb) for verb in WRITE} | {
    ("", "pods", "list"),
    ("", "pods/log", "get"),
}
REVIEWS = {
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
}
OWN_KEY = {("", "secrets/download-operator-api-key", verb) for verb in ("get", "update")}
FORBIDDEN = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "secrets"),
    ("update", "secrets"),
    ("create", "jobs.batch"),
    ("create", "pods"),
    ("get", "pods"),
    ("create", "pods", "--subresource=exec"),
    ("impersonate", "users"),
    ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts", "--subresource=token"),
    ("patch", "downloadschedules.downloads.dev", "--subresource=status"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("*", "*"),
]


def test_api_account_has_only_the_permissions_that_it_needs(own_cluster: LocalCluster) -> None:
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], own_cluster.kubeconfig)
    everywhere("create", "namespace", "api")
    kubectl = everywhere.within("api")
    kubectl("create", "serviceaccount", "plain")
    for values, permissions in (
        ([], SCHEDULES | REVIEWS),
        (["api.auth=key", "api.existingSecret=mine"], SCHEDULES),
        (["api.auth=key"], SCHEDULES | OWN_KEY),
    ):
        install_account(kubectl, *values)

        def has_only(expected: set[tuple[str, str, str]] = permissions) -> bool:
            return granted(kubectl, API_ACCOUNT) - granted(kubectl, "plain") == expected

        wait_for(f"only the permissions of {values}", has_only)
        assert may(kubectl, "delete", "downloadschedules.downloads.dev")
        assert not [action for action in FORBIDDEN if may(kubectl, *action)]
        ours = "--selector=app.kubernetes.io/name=download-operator"
        kubectl("delete", "rolebinding,clusterrolebinding", ours)


def granted(kubectl: Kubectl, name: str) -> set[tuple[str, str, str]]:
    """Return group, resource with its name, and verb of everything that an account may do."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": kubectl.namespace},
    }
    caller = f"--as=system:serviceaccount:{kubectl.namespace}:{name}"
    create = ("create", "--filename=-", "--output=json", "--validate=false", caller)
    text = kubectl(*create, stdin=json.dumps(review))
    status = json.loads(text)["status"]
    assert not status.get("incomplete")
    return {
        (group, "/".join([resource, *rule.get("resourceNames", ())]), verb)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def may(kubectl: Kubectl, *action: str) -> bool:
    caller = f"--as=system:serviceaccount:{kubectl.namespace}:{API_ACCOUNT}"
    try:
        return kubectl("auth", "can-i", *action, caller).strip() == "yes"
    except RefusedError:
        return False
