"""The guard in front of every route."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request

from download_api.auth.api_keys import SharedKey
from download_api.auth.authentication import SharedKeyAuth, TokenReviewAuth
from download_api.auth.authorization import AllowAll
from download_api.auth.capacity import CONNECTION
from download_api.auth.guard import (
    FAILED_LOGINS_LIMIT,
    GuardedRoute,
    RequestGuard,
    RequiredPermission,
    requires,
)
from download_api.auth.reviews import Caller
from download_api.problems.problem import ProblemError, cluster_unavailable
from download_api.settings import Settings
from tests.support.fake_clock import FakeClock


def test_route_without_a_required_permission_cannot_be_created() -> None:
    async def forgotten() -> None:
        """Declare nothing."""

    with pytest.raises(TypeError, match="forgotten declares no permission"):
        GuardedRoute("/forgotten", forgotten)


def test_route_knows_the_permission_that_its_endpoint_declares() -> None:
    @requires("create", "run")
    async def endpoint() -> None:
        """Do nothing."""

    route = GuardedRoute("/route", endpoint)
    assert route.required_permission == RequiredPermission("create", "run")


KEY_FILE = Path("/key")


@pytest.mark.parametrize(
    ("settings", "authenticator", "authorizer"),
    [
        ({}, "LoopbackAuth", "AllowAll"),
        ({"key_file": KEY_FILE}, "SharedKeyAuth", "KeyAuthorizer"),
        ({"key_file": KEY_FILE, "auth": "key"}, "SharedKeyAuth", "KeyAuthorizer"),
        ({"key_file": KEY_FILE, "auth": "kubernetes"}, "TokenReviewAuth", "CachedAuthorizer"),
        ({"auth": "kubernetes"}, "TokenReviewAuth", "CachedAuthorizer"),
    ],
)
def test_settings_choose_authenticator_and_authorizer(
    settings: dict[str, Any], authenticator: str, authorizer: str
) -> None:
    guard = RequestGuard.from_settings(Settings(**settings), None)  # type: ignore[arg-type]
    assert type(guard._authenticator).__name__ == authenticator
    assert type(guard._authorizer).__name__ == authorizer


RIGHT = "Bearer right"
WRONG = "Bearer wrong"
NO_PERMISSION = RequiredPermission(None)


@dataclass
class FakeConnection:
    is_over_capacity: bool = False
    is_signed_in: bool = False

    def sign_in(self) -> None:
        self.is_signed_in = True


def kubernetes_guard(review: Callable[[str], Awaitable[Caller | None]]) -> RequestGuard:
    authenticator = TokenReviewAuth(review, "", None)
    return RequestGuard(authenticator, AllowAll(), rate_limit=0, clock=FakeClock())


def request_with(authorization: str, address: str = "10.0.0.1", method: str = "GET") -> Request:
    """Return a request as the server makes it."""
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/schedules",
            "path_params": {},
            "headers": [(b"authorization", authorization.encode())],
            "client": (address, 40000),
            "state": {CONNECTION: FakeConnection()},
        }
    )


async def status_of(guard: RequestGuard, request: Request) -> int:
    try:
        await guard.admit(request, NO_PERMISSION)
    except ProblemError as problem:
        return problem.status
    return 200


class SlowReview:
    """Knows one token, and answers only after all other questions were asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    async def __call__(self, token: str) -> Caller | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise cluster_unavailable("no answer")
        return Caller(user="ann") if token == "right" else None


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_known_token_is_let_in_after_any_number_of_wrong_ones(method: str) -> None:
    async def run() -> None:
        review = SlowReview()
        guard = kubernetes_guard(review)
        assert await status_of(guard, request_with(RIGHT)) == 200
        wrong = [status_of(guard, request_with(WRONG)) for _ in range(FAILED_LOGINS_LIMIT + 50)]
        statuses = Counter(await asyncio.gather(*wrong))
        assert statuses == {401: FAILED_LOGINS_LIMIT, 429: 50}
        assert review.asked == FAILED_LOGINS_LIMIT + 1

        assert await status_of(guard, request_with(RIGHT, method=method)) == 200
        assert await status_of(guard, request_with("Bearer another")) == 429
        assert await status_of(guard, request_with("Bearer another", "10.0.0.2")) == 401

    asyncio.run(run())


def test_only_wrong_tokens_count_as_failed_logins() -> None:
    async def run() -> None:
        review = SlowReview()
        guard = kubernetes_guard(review)
        review.fails = True
        for _ in range(FAILED_LOGINS_LIMIT + 1):
            assert await status_of(guard, request_with(RIGHT)) == 503
        review.fails = False
        assert await status_of(guard, request_with(RIGHT)) == 200

    asyncio.run(run())


def test_right_key_is_let_in_after_any_number_of_wrong_ones(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "key"
        file.write_text("right")
        authenticator = SharedKeyAuth(SharedKey(file))
        guard = RequestGuard(authenticator, AllowAll(), rate_limit=0, clock=FakeClock())
        wrong = [await status_of(guard, request_with(WRONG)) for _ in range(320)]
        assert wrong[:300] == [401] * 300
        assert wrong[-1] == 429
        assert await status_of(guard, request_with(RIGHT)) == 200

    asyncio.run(run())


def test_connection_is_signed_in_by_a_right_token_only() -> None:
    async def run() -> None:
        guard = kubernetes_guard(SlowReview())
        for token, expected in ((WRONG, False), (RIGHT, True)):
            request = request_with(token)
            await status_of(guard, request)
            assert request.state.connection.is_signed_in is expected

    asyncio.run(run())


def test_request_on_a_connection_beyond_the_limit_is_refused() -> None:
    async def run() -> None:
        request = request_with(RIGHT)
        request.state.connection.is_over_capacity = True
        assert await status_of(kubernetes_guard(SlowReview()), request) == 503

    asyncio.run(run())
