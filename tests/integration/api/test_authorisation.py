"""Every route for everybody, with tokens, Roles and reviews of a real API server."""

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
from tests.integration.api.conftest import StartApi, servers
from tests.support.callers import (
    API_ACCOUNT,
    KEY,
    RUN,
    WRITE,
    People,
    bearer,
    binding,
    hashed_keys,
    install_account,
    kubeconfig_of,
    role,
)
from tests.support.kubectl import Kubectl, RefusedError, wait_for
from tests.support.result_reports import REPORT
from tests.support.schedules import schedule
from tools.cluster import LocalCluster, binaries

MERGE = {"backoff_limit": 2}
READ_ONE = {"reader": 200, "editor": 200, "program": 200, "admin": 200, "*": 404}
WRITE_ONE = {"reader": 403, "editor": 200, "program": 200, "admin": 200, "*": 404}
EVERYBODY = {"*": 200}
ONE = "/schedules/{schedule_id}"

GONE = "log_not_found"
"""The Pods of the run are, for whom the way to them is open."""
NONE = "content_not_found"
"""No file was kept by the run, for whom the way to it is open."""
MATRIX: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {
    ("POST", "/schedules"): (
        REPORT,
        {"editor": 201, "program": 201, "admin": 201, "*": 403},
    ),
    ("GET", "/schedules"): (None, EVERYBODY),
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
    ("GET", f"{ONE}/history/{{execution_id}}"): (None, READ_ONE),
    ("GET", f"{ONE}/history/{{execution_id}}/log"): (
        None,
        {"reader": 403, "editor": GONE, "program": GONE, "admin": GONE, "*": 404},
    ),
    ("GET", f"{ONE}/history/{{execution_id}}/content"): (
        None,
        {"reader": 403, "editor": NONE, "program": NONE, "admin": NONE, "*": 404},
    ),
    ("HEAD", f"{ONE}/history/{{execution_id}}/content"): (
        None,
        {"reader": 403, "editor": NONE, "program": NONE, "admin": NONE, "*": 404},
    ),
    ("GET", "/events"): (
        None,
        {"reader": 403, "editor": 200, "program": 200, "admin": 200, "*": 403},
    ),
    ("GET", "/cron/preview"): (None, EVERYBODY),
}
"""Body, and answer to each caller, of each route; * are the others who are somebody."""
CALLERS = (
    "stranger",
    "misdirected",
    "nobody",
    "reader",
    "editor",
    "outsider",
    "admin",
    "program",
)
UNGUARDED = {"/livez", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


@pytest.fixture(scope="module")
def guarded(
    cluster: LocalCluster, team: People, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """The API with no rights but those of the chart."""
    folder = tmp_path_factory.mktemp("guarded")
    install_account(team.team, "api.auth=kubernetes")
    kubeconfig = kubeconfig_of(team.team, API_ACCOUNT, folder)
    with servers(kubeconfig, folder) as start:
        yield start(
            auth="kubernetes", key_file=str(hashed_keys(folder)), namespace=team.team.namespace
        )


def routes() -> list[Any]:
    app = build_app(Settings(), login)
    return list(iter_route_contexts(app.routes))


def test_every_route_declares_what_it_needs() -> None:
    found = routes()
    assert {r.path for r in found if not isinstance(r.original_route, GuardedRoute)} == UNGUARDED
    for route in found:
        if isinstance(route.original_route, GuardedRoute):
            rule = route.original_route.rule
            asks = "sender" in inspect.signature(route.endpoint).parameters
            assert not rule.verb or "{schedule_id}" in route.path or asks


def test_the_matrix_has_every_route() -> None:
    served = {(method, r.path) for r in routes() if r.path not in UNGUARDED for method in r.methods}
    assert served == set(MATRIX)


def call(
    api: httpx.Client, team: People, route: tuple[str, str], headers: dict[str, str]
) -> httpx.Response:
    method, path = route
    where = path.format(schedule_id=team.report, execution_id=RUN)
    parameters = {
        "/cron/preview": {"expr": "0 2 * * *"},
        "/events": {"namespace": team.team.namespace},
    }
    body = MATRIX[route][0]
    headers = {"Idempotency-Key": "the-run-of-all", **headers} if path.endswith("/run") else headers
    with api.stream(
        method, where, params=parameters.get(path, {}), json=body, headers=headers
    ) as answer:
        if not answer.headers["content-type"].startswith("text/event-stream"):
            answer.read()
    return answer


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
def test_what_everybody_is_answered(
    guarded: httpx.Client, team: People, route: tuple[str, str], caller: str
) -> None:
    expected = MATRIX[route][1]
    answer = call(guarded, team, route, team.headers[caller])
    if caller in ("stranger", "misdirected"):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        return
    wanted = expected.get(caller, expected["*"])
    if route[0] == "HEAD":
        assert answer.status_code == (404 if wanted == NONE else wanted)
        return
    if wanted in (GONE, NONE):
        assert (answer.status_code, answer.json()["detail"]["error_type"]) == (404, wanted)
        return
    assert answer.status_code == wanted
    if answer.status_code == 404:
        assert answer.json()["detail"]["error_type"] == "schedule_not_found"
    if answer.status_code == 403:
        assert f"in the namespace {team.team.namespace}" in answer.json()["detail"]["error"]
    if route[0] == "DELETE" and answer.status_code == 200:
        team.place_report()


def test_what_is_refused_changes_nothing(guarded: httpx.Client, team: People) -> None:
    def state() -> list[tuple[str, str]]:
        return [
            (item["metadata"]["name"], item["metadata"]["resourceVersion"])
            for item in team.team.list("dls")
        ]

    before = state()
    for route in MATRIX:
        if route[0] not in ("GET", "HEAD"):
            for caller in ("stranger", "misdirected", "nobody", "reader", "outsider"):
                assert call(guarded, team, route, team.headers[caller]).status_code >= 401
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
def test_the_list_has_what_one_may_list(
    guarded: httpx.Client, team: People, caller: str, in_team: bool, elsewhere: bool
) -> None:
    listed = guarded.get("/schedules", headers=team.headers[caller]).json()
    ids = {item["id"] for item in listed["schedules"]}
    assert listed["total"] == len(ids)
    assert (team.report in ids) == in_team
    assert (f"{team.elsewhere.namespace}.theirs" in ids) == elsewhere


def test_ones_own_are_those_that_one_made(guarded: httpx.Client, team: People) -> None:
    def mine(caller: str, **query: str) -> set[str]:
        headers = team.headers[caller]
        listed = guarded.get("/schedules", params={"owner": "me", **query}, headers=headers).json()
        return {item["id"] for item in listed["schedules"]}

    before = mine("editor"), mine("program")
    made = guarded.post("/schedules", json=REPORT, headers=team.headers["editor"]).json()["id"]
    guarded.patch(f"/schedules/{made}", json=MERGE, headers=team.headers["admin"])
    assert mine("editor") == {*before[0], made}
    assert mine("program") == before[1]
    assert mine("editor", label_selector="team=nobody") == set()
    assert made in mine("editor", limit="500", namespace=team.team.namespace)
    assert team.report not in mine("editor")
    shown = team.team.get("dls", made.partition(".")[2])["metadata"]["annotations"]
    editor = f"system:serviceaccount:{team.team.namespace}:editor"
    assert shown["downloads.dev/owner"] == editor


def test_what_one_may_not_see_looks_like_what_is_not_there(
    guarded: httpx.Client, team: People
) -> None:
    headers = team.headers["nobody"]
    for action in ("", "/history", f"/history/{RUN}"):
        hidden = guarded.get(f"/schedules/{team.report}{action}", headers=headers)
        absent = guarded.get(f"/schedules/{team.team.namespace}.no{action}", headers=headers)
        assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert guarded.get("/schedules/no-id", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": "wrong"},
    ],
)
def test_rubbish_is_nobody(guarded: httpx.Client, headers: dict[str, str]) -> None:
    answer = guarded.post("/schedules", content=b"{", headers=headers)
    assert answer.status_code == 401
    assert "--audience=download-operator" in answer.json()["detail"]["error"]


def test_tokens_are_not_keys_nor_keys_wrong_for_good_tokens(
    guarded: httpx.Client, team: People
) -> None:
    token = team.token("editor")
    assert guarded.get("/schedules", headers={"X-API-Key": token}).status_code == 401
    assert guarded.get("/schedules", headers=bearer(KEY)).status_code == 200
    both = {**bearer(token), "X-API-Key": "wrong"}
    assert guarded.get("/schedules", headers=both).status_code == 401
    for_the_api_server = team.team("create", "token", "editor").strip()
    assert guarded.get("/schedules", headers=bearer(for_the_api_server)).status_code == 401


def test_a_claim_needs_the_callers_own_right(guarded: httpx.Client, team: People) -> None:
    new = {**REPORT, "name": "kept", "destination": {"volume": {"claim_name": "data"}}}
    headers = team.headers["editor"]
    refused = guarded.post("/schedules", json=new, headers=headers)
    assert refused.status_code == 403
    assert "may not get persistentvolumeclaims data" in refused.json()["detail"]["error"]
    moved = {"destination": {"volume": {"claim_name": "data"}}}
    where = f"/schedules/{team.report}"
    assert guarded.patch(where, json=moved, headers=headers).status_code == 403
    assert guarded.post("/schedules", json=new, headers=team.headers["admin"]).status_code == 201
    allow(team, "claims", "persistentvolumeclaims", "data")
    wait_for(
        "the right to the claim",
        lambda: guarded.post("/schedules", json=new, headers=headers).status_code == 201,
    )
    assert guarded.patch(where, json=moved, headers=headers).status_code == 200


def test_a_secret_goes_nowhere_else_without_the_callers_own_right(
    guarded: httpx.Client, team: People
) -> None:
    source = {"valueFrom": {"secretKeyRef": {"name": "token", "key": "header"}}}
    request = {"headers": [{"name": "Authorization", **source}]}
    team.team.apply(schedule("secretive", request=request))
    where, headers = f"/schedules/{team.team.namespace}.secretive", team.headers["editor"]
    elsewhere = {"url": "https://evil.example/"}
    refused = guarded.patch(where, json=elsewhere, headers=headers)
    assert refused.status_code == 403
    assert "may not get secrets token" in refused.json()["detail"]["error"]
    assert team.team.get("dls", "secretive")["spec"]["url"] == schedule("x")["spec"]["url"]
    for harmless in ({"cron_expression": "0 3 * * *"}, {"secret_headers": {"Authorization": None}}):
        assert guarded.patch(where, json=harmless, headers=headers).status_code == 200
    team.team.apply(schedule("secretive", request=request))
    allow(team, "secrets", "secrets", "token")
    wait_for(
        "the right to the Secret",
        lambda: guarded.patch(where, json=elsewhere, headers=headers).status_code == 200,
    )


def allow(team: People, name: str, resource: str, only: str) -> None:
    made = role(name, [("", [resource], ["get"])])
    made["rules"][0]["resourceNames"] = [only]
    editor = {"kind": "ServiceAccount", "name": "editor", "namespace": team.team.namespace}
    team.team.apply(made, binding(name, editor))


def test_a_right_taken_away_stops_the_next_change(guarded: httpx.Client, team: People) -> None:
    team.with_rights("leaver", WRITE, team.team)
    headers, where = team.headers["leaver"], f"/schedules/{team.report}"

    def status() -> int:
        return guarded.patch(where, json=MERGE, headers=headers).status_code

    wait_for("the right", lambda: status() == 200)
    assert guarded.get(where, headers=headers).status_code == 200
    team.team("delete", "rolebinding", "leaver")
    wait_for("the refusal", lambda: status() == 404, timeout=5)
    team.team("delete", "serviceaccount", "leaver")
    wait_for("the end of the token", lambda: status() == 401, timeout=15)


def test_a_right_taken_away_ends_the_stream(guarded: httpx.Client, team: People) -> None:
    team.with_rights("listener", WRITE, team.team)
    headers = team.headers["listener"]

    def follow() -> AbstractContextManager[httpx.Response]:
        query = {"namespace": team.team.namespace}
        return guarded.stream("GET", "/events", params=query, headers=headers)

    def allowed() -> bool:
        with follow() as answer:
            return answer.status_code == 200

    wait_for("the right", allowed)
    with follow() as answer:
        team.team("delete", "rolebinding", "listener")
        began = time.monotonic()
        for _ in answer.iter_bytes():
            assert time.monotonic() - began < 50
    with follow() as answer:
        assert answer.status_code == 403


def test_the_name_of_one_schedule_may_be_enough(guarded: httpx.Client, team: People) -> None:
    team.with_rights("pinned", [], team.team)
    made = role("pinned", [("downloads.dev", ["downloadschedules"], ["get"])])
    made["rules"][0]["resourceNames"] = ["report"]
    team.team.apply(made)
    headers = team.headers["pinned"]
    where = f"/schedules/{team.report}"
    wait_for("the right", lambda: guarded.get(where, headers=headers).status_code == 200, every=1)
    assert guarded.get("/schedules", headers=headers).json()["total"] == 0
    assert guarded.delete(where, headers=headers).status_code == 403


def test_who_cannot_ask_lets_nobody_in(
    start_api: StartApi, team: People, tmp_path: Path, kubectl: Kubectl
) -> None:
    kubectl("create", "serviceaccount", "powerless")
    kubeconfig = kubeconfig_of(kubectl, "powerless", tmp_path)
    api = start_api(kubeconfig=kubeconfig, auth="kubernetes", key_file=str(hashed_keys(tmp_path)))
    for caller in ("admin", "program"):
        for route in MATRIX:
            if caller == "program" and route[1] == "/cron/preview":
                continue  # needs no right
            assert call(api, team, route, team.headers[caller]).status_code == 503


def test_without_the_cluster_nobody_gets_in(
    guarded: httpx.Client, team: People, cluster: LocalCluster
) -> None:
    where = f"/schedules/{team.report}"
    cluster.signal("kube-apiserver", signal.SIGKILL)
    for method in ("GET", "DELETE"):
        answer = guarded.request(method, where, headers=team.headers["admin"])
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    cluster.restart("kube-apiserver")
    wait_for(
        "the roles",
        lambda: guarded.get(where, headers=team.headers["admin"]).status_code == 200,
    )


SCHEDULES = {("downloads.dev", "downloadschedules", verb) for verb in WRITE} | {
    ("", "pods", "list"),
    ("", "pods/log", "get"),
}
REVIEWS = {
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
}
OWN_KEY = {("", "secrets", "create"), ("", "secrets/download-operator-api-key", "get")}
FORBIDDEN = [
    ("get", "secrets"),
    ("list", "secrets"),
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


def test_the_api_itself_can_do_no_more_than_it_needs(own_cluster: LocalCluster) -> None:
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], own_cluster.kubeconfig)
    everywhere("create", "namespace", "api")
    kubectl = everywhere.within("api")
    kubectl("create", "serviceaccount", "plain")
    for values, rights in (
        (["api.auth=kubernetes"], SCHEDULES | REVIEWS),
        (["api.existingSecret=mine"], SCHEDULES),
        ([], SCHEDULES | OWN_KEY),
    ):
        install_account(kubectl, *values)

        def just_these(rights: set[tuple[str, str, str]] = rights) -> bool:
            return granted(kubectl, API_ACCOUNT) - granted(kubectl, "plain") == rights

        wait_for(f"just the rights of {values}", just_these)
        assert may(kubectl, "delete", "downloadschedules.downloads.dev")
        assert not [tried for tried in FORBIDDEN if may(kubectl, *tried)]


def granted(kubectl: Kubectl, name: str) -> set[tuple[str, str, str]]:
    """Group, resource with its name, and verb of everything that an account may do."""
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


def may(kubectl: Kubectl, *tried: str) -> bool:
    caller = f"--as=system:serviceaccount:{kubectl.namespace}:{API_ACCOUNT}"
    try:
        return kubectl("auth", "can-i", *tried, caller).strip() == "yes"
    except RefusedError:
        return False
