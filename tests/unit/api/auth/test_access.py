"""Who is let in, what he may do, and for how long that is believed."""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from download_api.auth.access import AT_ONCE, Access
from download_api.auth.api_keys import HashedKeys, bearer, parse_keys
from download_api.auth.authentication import Authentication, Kubernetes, is_from_here
from download_api.auth.authorization import AllRights, RememberedRights
from download_api.auth.guard import Gate, GuardedRoute
from download_api.auth.referenced_objects import Reference, references, to_be_granted
from download_api.auth.reviews import (
    Caller,
    Right,
    access_review,
    caller_of,
    is_allowed,
    token_review,
)
from download_api.auth.ttl_cache import Expiring
from download_api.problems import ProblemError
from download_api.settings import Settings
from download_schedule.model import Spec

ANN = Caller(
    user="ann", groups=("a", "system:authenticated"), uid="u1", extra=(("scopes", ("x", "y")),)
)
GET = Right(verb="get", namespace="team", name="report")
KEY = "k" * 43


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_kept_expires() -> None:
    clock = Clock()
    kept: Expiring[str, int] = Expiring(clock, size=2)
    kept.put("a", 1, until=10)
    assert kept.get("a") == 1
    clock.now = 9.9
    assert kept.get("a") == 1
    clock.now = 10
    assert kept.get("a") is None
    kept.put("a", 1, until=20)
    kept.drop("a")
    kept.drop("a")
    assert kept.get("a") is None


def test_what_nobody_asked_for_longest_goes_first() -> None:
    kept: Expiring[str, int] = Expiring(Clock(), size=2)
    kept.put("a", 1, until=10)
    kept.put("b", 2, until=10)
    assert kept.get("a") == 1
    kept.put("c", 3, until=10)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_questions() -> None:
    assert token_review("t", "us")["spec"] == {"token": "t", "audiences": ["us"]}
    assert token_review("t", "")["spec"] == {"token": "t"}
    run = Right(verb="create", subresource="run", namespace="team", name="report")
    assert access_review(ANN, run)["spec"] == {
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
    assert str(run) == (
        "create downloadschedules/run of downloads.dev report in the namespace team"
    )
    secret = Right(verb="get", group="", resource="secrets", name="s")
    assert str(secret) == "get secrets s in all namespaces"
    attributes = access_review(ANN, secret)["spec"]["resourceAttributes"]
    assert attributes == {"verb": "get", "version": "v1", "resource": "secrets", "name": "s"}


def reviewed(**status: Any) -> dict[str, Any]:
    user = {
        "username": "ann",
        "uid": "u1",
        "groups": ["a", "system:authenticated"],
        "extra": {"scopes": ["x", "y"]},
    }
    return {"status": {"authenticated": True, "audiences": ["us"], "user": user, **status}}


@pytest.mark.parametrize(
    ("answer", "audience", "expected"),
    [
        (reviewed(), "us", ANN),
        (reviewed(), "", ANN),
        (reviewed(), "others", None),
        (reviewed(audiences=[]), "us", None),
        (reviewed(authenticated=False), "us", None),
        (reviewed(authenticated="true"), "us", None),
        (reviewed(user={}), "us", None),
        (reviewed(user={"username": "bob"}), "us", Caller(user="bob")),
        ({}, "us", None),
    ],
)
def test_whose_a_token_is(answer: dict[str, Any], audience: str, expected: Caller | None) -> None:
    assert caller_of(answer, audience) == expected


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
def test_what_is_allowed(status: dict[str, Any], expected: bool) -> None:
    assert is_allowed({"status": status}) == expected
    assert not is_allowed({})


@pytest.mark.parametrize(("allowed", "seconds"), [(True, 30), (False, 5)])
def test_how_long_a_right_is_believed(allowed: bool, seconds: int) -> None:
    clock, asked = Clock(), []

    async def is_granted(caller: Caller, right: Right) -> bool:
        asked.append((caller, right))
        return allowed

    rights = RememberedRights(is_granted, clock)

    def ask(*, fresh: bool = False, caller: Caller = ANN) -> int:
        assert asyncio.run(rights.allow(caller, GET, fresh=fresh)) == allowed
        return len(asked)

    assert ask() == 1
    clock.now = seconds - 0.1
    assert ask() == 1
    assert ask(fresh=True) == 2
    clock.now = seconds
    assert ask() == 2  # of the fresh one
    clock.now += seconds
    assert ask() == 3
    assert ask(caller=Caller(user="ann", groups=("a",))) == 4


def test_how_long_a_token_is_believed() -> None:
    clock, asked = Clock(), []
    good = {"a", "b"}

    async def owner(token: str) -> Caller | None:
        asked.append(token)
        return ANN if token in good else None

    tokens = Kubernetes(owner, "us", None, clock)

    def ask(token: str, *, fresh: bool = False) -> int:
        assert asyncio.run(tokens.caller(f"Bearer {token}", None, fresh=fresh)) == ANN
        return len(asked)

    assert [ask("a"), ask("a"), ask("b"), ask("b")] == [1, 1, 2, 2]
    assert ask("a", fresh=True) == 3
    clock.now = 59.9
    assert ask("a") == 3
    clock.now = 60
    assert ask("a") == 4
    good.clear()
    for fresh in (True, False):  # what a change found out, reads know
        with pytest.raises(ProblemError) as told:
            ask("a", fresh=fresh)
        assert told.value.status == 401
        assert 'error="invalid_token"' in told.value.headers["WWW-Authenticate"]


def hashed(key: str = KEY, **members: Any) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(key.encode()).hexdigest(), "user": "ci", **members}


def test_a_key_stands_for_a_user_and_groups(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    asked = []

    async def owner(token: str) -> Caller | None:
        asked.append(token)
        return None

    people: Authentication = Kubernetes(owner, "", HashedKeys(file))

    def ask(authorization: str | None, x_api_key: str | None) -> Caller:
        return asyncio.run(people.caller(authorization, x_api_key, fresh=True))

    with pytest.raises(ProblemError, match="or an API key as X-API-Key"):
        ask(None, KEY)  # no file yet
    file.write_text(json.dumps([hashed(groups=["team"])]))
    ci = Caller(user="ci", groups=("team",))
    assert ask(None, KEY) == ask(f"Bearer {KEY}", None) == ask("Bearer x", KEY) == ci
    assert asked == []  # a key goes nowhere
    file.write_text(json.dumps([hashed("schlüssel", user="eve")]))
    assert ask(None, "schlüssel".encode().decode("latin-1")).user == "eve"
    file.write_text(json.dumps([hashed(groups=["team"])]))
    for authorization, x_api_key in (
        (None, None),
        (None, hashed()["sha256"]),
        (f"Basic {KEY}", None),
        (f"Bearer {KEY}", "wrong"),
    ):
        with pytest.raises(ProblemError):
            ask(authorization, x_api_key)
    assert asked == []
    file.write_text("[]")
    with pytest.raises(ProblemError):
        ask(None, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "{}",
        json.dumps([{"sha256": "secret", "user": "ci"}]),
        json.dumps([hashed(user="")]),
        json.dumps([hashed(), {"key": "secret"}]),
    ],
)
def test_of_a_wrong_file_no_key_is_good(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert parse_keys(text.encode()) == {}
    assert "no API key is good" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [("Bearer a", "a"), ("bearer  a ", "a"), ("Basic a", None), ("", None), (None, None)],
)
def test_bearer(header: str | None, expected: str | None) -> None:
    assert bearer(header) == expected


SECRET = {"request": {"headers": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}
VOLUME = {"destination": {"volume": {"claimName": "c"}}}
S, C = Reference("secrets", "s"), Reference("persistentvolumeclaims", "c")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"url": "claimName"}, set()),
        (SECRET, {S}),
        (VOLUME, {C}),
        ({**SECRET, **VOLUME}, {S, C}),
        ({"destination": {"s3": {"credentialsSecretRef": {"name": "s"}}}}, {S}),
        ({"webhooks": [{"secretRef": {"name": "s"}}]}, {S}),
    ],
)
def test_references(spec: dict[str, Any], expected: set[Reference]) -> None:
    assert references(spec) == expected
    assert to_be_granted(None, spec) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (SECRET, SECRET, set()),
        (SECRET, {**SECRET, "schedule": "x"}, set()),
        (SECRET, {**SECRET, "url": "x"}, {S}),
        (SECRET, {**SECRET, **VOLUME}, {S, C}),
        (SECRET, {"request": {**SECRET["request"], "maxRedirects": 9}}, {S}),
        (SECRET, {"request": {"headers": []}}, set()),
        (VOLUME, {"destination": {"volume": {"claimName": "c", "path": "p"}}}, {C}),
        ({}, {"webhooks": [{"secretRef": {"name": "s"}}]}, {S}),
    ],
)
def test_which_references_a_change_needs(
    old: dict[str, Any], new: dict[str, Any], expected: set[Reference]
) -> None:
    assert to_be_granted(old, new) == expected


def test_every_reference_that_the_resource_can_have_is_found() -> None:
    """A member named otherwise than the ones known would escape."""
    schema = json.dumps(Spec.model_json_schema(by_alias=True))
    members = set(re.findall(r'"([a-z]\w*(?:Ref|Name))":', schema))
    assert {"claimName", "secretKeyRef"} <= members
    for member in members - {"claimName"}:
        assert references({member: {"name": "s"}}) == {S}


class Some:
    """Grants some rights, and counts how many are asked for at the same time."""

    def __init__(self, granted: Callable[[Right], bool]) -> None:
        self._granted = granted
        self._now = self.most = 0

    async def allow(self, _: Caller, right: Right, *, fresh: bool) -> bool:
        assert fresh
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        return self._granted(right)


def test_namespaces_are_asked_for_at_the_same_time_but_not_all_of_them() -> None:
    rights = Some(lambda right: right.namespace.endswith("7"))
    found = [{"metadata": {"namespace": f"n{number}"}} for number in range(100)]
    listed = asyncio.run(Access(ANN, rights, fresh=True).listable(found * 2))
    assert len(listed) == 20
    assert rights.most == AT_ONCE


def may_delete(*verbs: str) -> bool:
    access = Access(ANN, Some(lambda right: right.verb in verbs), fresh=True)
    asyncio.run(access.to_schedule("delete", "", "team.report"))
    return True


def test_what_one_may_not_see_is_not_there() -> None:
    assert may_delete("get", "delete")
    for verbs, status in ((["get"], 403), (["delete"], 404), ([], 404)):
        with pytest.raises(ProblemError) as told:
            may_delete(*verbs)
        assert told.value.status == status


def test_a_route_without_a_rule_cannot_be_made() -> None:
    async def forgotten() -> None:
        """Ask for nothing."""

    with pytest.raises(KeyError):
        GuardedRoute("/forgotten", forgotten)


@pytest.mark.parametrize(
    ("host", "origin", "from_here"),
    [
        ("localhost:8080", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:8080", "http://localhost:3000", True),
        ("LOCALHOST", None, True),
        ("rebound.example:8080", None, False),
        ("localhost.example", None, False),
        ("", None, False),
        ("[", None, False),
        ("127.0.0.1:8080", "https://page.example", False),
        ("127.0.0.1:8080", "null", False),
        ("127.0.0.1:8080", "", False),
    ],
)
def test_whose_page_has_a_browser_ask(host: str, origin: str | None, from_here: bool) -> None:
    assert is_from_here(host, origin) == from_here


def test_the_gate_that_the_settings_ask_for(tmp_path: Path) -> None:
    def authentication(**settings: Any) -> str:
        gate = Gate.build(Settings(**settings), None)  # type: ignore[arg-type]
        rights = "RememberedRights" if settings.get("auth") == "kubernetes" else "AllRights"
        assert type(gate._rights).__name__ == rights
        return type(gate._authentication).__name__

    assert authentication() == "Anyone"
    assert authentication(key_file=tmp_path) == "OneKey"
    assert authentication(key_file=tmp_path, auth="key") == "OneKey"
    assert authentication(key_file=tmp_path, auth="kubernetes") == "Kubernetes"
    assert authentication(auth="kubernetes") == "Kubernetes"
    assert asyncio.run(AllRights().allow(ANN, GET, fresh=True))
