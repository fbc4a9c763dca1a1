"""TokenReview and SubjectAccessReview: what is asked, and how the answer is read."""

from typing import Any

import pytest

from download_api.auth.reviews import (
    Caller,
    Permission,
    build_access_review,
    build_token_review,
    parse_access_review,
    parse_token_review,
)

ANN = Caller(
    user="ann", groups=("a", "system:authenticated"), uid="u1", extra=(("scopes", ("x", "y")),)
)
RUN_REPORT = Permission(verb="create", subresource="run", namespace="team", name="report")
GET_SECRET = Permission(verb="get", group="", resource="secrets", name="s")


def test_token_review_names_the_audience_if_there_is_one() -> None:
    assert build_token_review("t", "us")["spec"] == {"token": "t", "audiences": ["us"]}
    assert build_token_review("t", "")["spec"] == {"token": "t"}


def test_access_review_has_caller_and_permission() -> None:
    assert build_access_review(ANN, RUN_REPORT)["spec"] == {
        "user": "ann",
        "groups": ["a", "system:authenticated"],
        "uid": "u1",
        "extra": {"scopes": ["x", "y"]},
        "resourceAttributes": {
            "verb": "create",
            "group": "downloads.dev",
            "version": "v1alpha1",
            "resource": "downloadschedules",
            "subresource": "run",
            "namespace": "team",
            "name": "report",
        },
    }


def test_access_review_of_core_resource_has_no_group() -> None:
    attributes = build_access_review(ANN, GET_SECRET)["spec"]["resourceAttributes"]
    assert attributes == {"verb": "get", "version": "v1", "resource": "secrets", "name": "s"}


def test_permission_reads_like_a_refusal_of_kubernetes() -> None:
    assert str(RUN_REPORT) == (
        "create downloadschedules/run of downloads.dev report in the namespace team"
    )
    assert str(GET_SECRET) == "get secrets s in all namespaces"


def token_review(**status: Any) -> dict[str, Any]:
    user = {
        "username": "ann",
        "uid": "u1",
        "groups": ["a", "system:authenticated"],
        "extra": {"scopes": ["x", "y"]},
    }
    return {"status": {"authenticated": True, "audiences": ["us"], "user": user, **status}}


@pytest.mark.parametrize(
    ("review", "audience", "expected"),
    [
        (token_review(), "us", ANN),
        (token_review(), "", ANN),
        (token_review(), "others", None),
        (token_review(audiences=[]), "us", None),
        (token_review(authenticated=False), "us", None),
        (token_review(authenticated="true"), "us", None),
        (token_review(user={}), "us", None),
        (token_review(user={"username": "bob"}), "us", Caller(user="bob")),
        ({}, "us", None),
    ],
)
def test_token_has_an_owner_only_if_the_review_clearly_says_so(
    review: dict[str, Any], audience: str, expected: Caller | None
) -> None:
    assert parse_token_review(review, audience) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"allowed": True}, True),
        ({"allowed": True, "evaluationError": "some other role is missing"}, True),
        ({"allowed": False}, False),
        ({"allowed": True, "denied": True}, False),
        ({"allowed": "true"}, False),
        ({}, False),
    ],
)
def test_access_is_allowed_only_if_the_review_clearly_says_so(
    status: dict[str, Any], expected: bool
) -> None:
    assert parse_access_review({"status": status}) == expected


def test_review_without_status_allows_nothing() -> None:
    assert not parse_access_review({})
