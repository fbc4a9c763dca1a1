"""Tenants against the policy about references: the rights to Secrets and claims."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from download_schedule.rules import MAX_SECRETS
from tests.support.admission_stage import (
    ALLOWED,
    API,
    SHARED,
    Stage,
    account,
    admission_stage,
    check,
    secret_header,
    with_bucket,
    with_claim,
    with_secrets,
)
from tests.support.chart import POLICIES
from tests.support.schedules import schedule
from tools.cluster.kubectl import wait_for

NO_SECRET = "may not get secrets db in the namespace team"
NO_CLAIM = "may not use persistentvolumeclaims data in the namespace team"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with admission_stage(tmp_path_factory.mktemp("stage")) as created:
        yield created


@pytest.mark.parametrize(
    ("who", "members", "sentence"),
    [
        ("tenant", {}, ALLOWED),
        ("tenant", with_secrets("db"), NO_SECRET),
        ("tenant", with_bucket("db"), NO_SECRET),
        ("tenant", with_claim("data"), NO_CLAIM),
        ("tenant", {**SHARED, "keepLast": 1}, NO_SECRET),
        ("gitops", with_secrets("db"), NO_SECRET),
        ("gitops", with_claim("data"), NO_CLAIM),
        ("gitops-admin", SHARED, ALLOWED),
        ("trusted", SHARED, ALLOWED),
        ("trusted", with_bucket("db"), ALLOWED),
        ("trusted", with_secrets("db", "other"), "may not get secrets other"),
        ("trusted", with_claim("else"), "may not use persistentvolumeclaims else"),
        ("pod-maker", with_claim("data"), ALLOWED),
        ("pod-maker", with_secrets("db"), NO_SECRET),
        ("developer", SHARED, ALLOWED),
        ("reader", {}, 'cannot create resource "downloadschedules"'),
    ],
)
def test_schedule_is_created_only_with_rights_to_what_it_references(
    stage: Stage, who: str, members: dict[str, Any], sentence: str
) -> None:
    check(stage.refusal_to_create(account(who), schedule("new", **members)), sentence)


@pytest.mark.parametrize("position", range(MAX_SECRETS))
def test_each_of_four_secrets_needs_the_right(stage: Stage, position: int) -> None:
    names = ["a", "b", "c"]
    names.insert(position, "db")
    refusal = stage.refusal_to_create(account("three"), schedule("new", **with_secrets(*names)))
    assert NO_SECRET in refusal


def test_one_secret_for_many_headers_counts_once(stage: Stage) -> None:
    names = ["a", "b", "c"] * 10
    assert not stage.refusal_to_create(account("three"), schedule("new", **with_secrets(*names)))


@pytest.mark.parametrize(
    "members",
    [with_secrets("a", "b", "c", "d", "e"), {**with_secrets(*"abcd"), **with_bucket("e")}],
)
def test_fifth_secret_is_refused_by_the_resource(stage: Stage, members: dict[str, Any]) -> None:
    refusal = stage.refusal_to_create(account("developer"), schedule("new", **members))
    assert "at most 4 Secrets; put several values into one Secret" in refusal


def test_four_secrets_are_accepted_by_the_resource(stage: Stage) -> None:
    four = {**with_secrets(*"abcd"), **with_bucket("a")}
    assert not stage.refusal_to_create(account("developer"), schedule("new", **four))


TO_MYSELF = {"url": "https://evil.example/"}
NO_REFERENCE = {"request": {"headers": None}, "destination": None}


@pytest.mark.parametrize(
    ("who", "spec", "sentence"),
    [
        ("tenant", TO_MYSELF, NO_SECRET),
        ("tenant", {"request": {"maxRedirects": 9}}, NO_SECRET),
        ("tenant", {"request": {"headers": [secret_header("db", "X-Other")]}}, NO_SECRET),
        ("tenant", {"request": None}, NO_CLAIM),
        ("tenant", with_claim("data", path="x"), NO_SECRET),
        ("tenant", {"destination": None}, NO_SECRET),
        ("tenant", {"keepLast": 1}, NO_SECRET),
        ("tenant", {"suspend": True}, ALLOWED),
        ("tenant", {"schedule": "0 3 * * *", "format": "text"}, ALLOWED),
        ("tenant", {**TO_MYSELF, **NO_REFERENCE}, ALLOWED),
        ("trusted", {**TO_MYSELF, "keepLast": 1}, ALLOWED),
        ("trusted", with_claim("else"), "may not use persistentvolumeclaims else"),
        ("gitops", TO_MYSELF, NO_SECRET),
        ("gitops-admin", TO_MYSELF, ALLOWED),
    ],
)
def test_content_of_a_reference_is_redirected_only_with_the_right_to_it(
    stage: Stage, who: str, spec: dict[str, Any], sentence: str
) -> None:
    check(stage.refusal_to_patch(account(who), "dls", "shared", {"spec": spec}), sentence)


def test_run_is_requested_without_rights_to_the_references(stage: Stage) -> None:
    note = "downloads.dev/run-requested=x"
    assert not stage.refusal(account("tenant"), "annotate", "dls/shared", note, "--dry-run=server")


def test_status_is_no_way_to_the_spec(stage: Stage) -> None:
    patch = json.dumps({"spec": TO_MYSELF, "status": {"active": 7}})
    command = ("patch", "dls", "shared", "--type=merge", f"--patch={patch}", "--output=json")
    as_writer = f"--as={account('status-writer')}"
    text = stage.team(*command, "--subresource=status", "--dry-run=server", as_writer)
    patched = json.loads(text)
    assert patched["status"]["active"] == 7
    assert patched["spec"]["url"] == schedule("x")["spec"]["url"]


def test_server_side_apply_is_asked_too(stage: Stage) -> None:
    manifest = schedule("shared", **SHARED, **TO_MYSELF)
    command = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename=-")
    refusal = stage.refusal(account("tenant"), *command, stdin=json.dumps(manifest))
    assert NO_SECRET in refusal


def test_editor_role_is_not_worth_a_secret_by_any_route_of_its_own(stage: Stage) -> None:
    """Whatever the editor may do with schedules, none of it is a right to Secrets or claims."""
    editor = f"--as={account('gitops')}"
    rules = stage.team("auth", "can-i", "--list", "--no-headers", editor)
    granted = {line.split()[0] for line in rules.splitlines() if line.strip()}
    of_this_product = {name for name in granted if name.endswith(".downloads.dev")}
    assert of_this_product >= {"downloadschedules.downloads.dev"}
    assert not granted & {"secrets", "pods", "jobs.batch", "cronjobs.batch"}
    assert "persistentvolumeclaims" not in granted


@pytest.mark.parametrize(
    ("who", "may_change"), [("developer", True), ("reader", False), ("viewer", False)]
)
def test_roles_of_kubernetes_contain_ours(stage: Stage, who: str, may_change: bool) -> None:
    def may(verb: str, *subresource: str) -> bool:
        question = ("auth", "can-i", verb, "downloadschedules.downloads.dev", *subresource)
        return not stage.refusal(account(who), *question, "--quiet")

    assert all(may(verb) for verb in ("get", "list", "watch"))
    assert may("create", "--subresource=run") == may_change
    for verb in ("create", "update", "patch", "delete"):
        assert may(verb) == may_change, verb


def test_reader_starts_no_run(stage: Stage) -> None:
    note = "downloads.dev/run-requested=x"
    assert "cannot patch resource" in stage.refusal(
        account("viewer"), "annotate", "dls/shared", note
    )


@pytest.mark.parametrize(
    "members",
    [
        {"image": "busybox"},
        {"nodeName": "control-plane"},
        {"securityContext": {"privileged": True}},
        {"serviceAccountName": "default"},
        {"template": {"spec": {"hostNetwork": True}}},
    ],
)
def test_author_chooses_no_image_node_account_or_privilege(
    stage: Stage, members: dict[str, Any]
) -> None:
    """There is no such field; without validation, the API server drops it."""
    manifest = schedule("new", **members)
    (name,) = members
    refusal = stage.refusal_to_create(account("developer"), manifest)
    assert f'unknown field "spec.{name}"' in refusal
    command = ("create", "--dry-run=server", "--validate=false", "--filename=-", "--output=json")
    stored = stage.team(*command, f"--as={account('developer')}", stdin=json.dumps(manifest))
    assert name not in json.loads(stored)["spec"]


@pytest.mark.parametrize("name", POLICIES)
def test_kubernetes_finds_no_error_in_the_types_of_a_policy(stage: Stage, name: str) -> None:
    assert type_warnings(stage, name) == []


def test_kubernetes_checks_the_types(stage: Stage) -> None:
    """Without this, no warnings might mean no check."""
    warnings = type_warnings(stage, POLICIES[0], {"expression": "object.spec.nothing == 1"})
    assert "undefined field 'nothing'" in json.dumps(warnings)


def type_warnings(stage: Stage, name: str, *validations: dict[str, str]) -> list[dict[str, Any]]:
    """Return what Kubernetes objects to in the expressions of a policy and in more validations.

    It looks at a copy, because the policies may have been created before it knew the resource.
    """
    policy = stage.team.get("validatingadmissionpolicy", name)
    policy["spec"]["validations"] += validations
    copy = f"{name}-{len(validations)}"
    header = {key: policy[key] for key in ("apiVersion", "kind", "spec")}
    stage.team.apply({**header, "metadata": {"name": copy}})

    def types() -> dict[str, Any] | None:
        """Return the outcome once Kubernetes has looked."""
        status = stage.team.get("validatingadmissionpolicy", copy).get("status", {})
        return {"types": status.get("typeChecking", {})} if "observedGeneration" in status else None

    outcome: dict[str, Any] = wait_for(f"the types of {name}", types)["types"]
    warnings: list[dict[str, Any]] = outcome.get("expressionWarnings", [])
    return warnings


def test_api_that_asks_for_its_callers_needs_no_rights_to_references(stage: Stage) -> None:
    """With a key it has nobody to ask for: test_api_key.py."""
    assert not stage.refusal_to_create(API, schedule("new", **SHARED))
