"""The guard in front of every route."""

from pathlib import Path
from typing import Any

import pytest

from download_api.auth.guard import GuardedRoute, RequestGuard, RequiredPermission, requires
from download_api.settings import Settings


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
        ({"key_file": KEY_FILE}, "SharedKeyAuth", "AllowAll"),
        ({"key_file": KEY_FILE, "auth": "key"}, "SharedKeyAuth", "AllowAll"),
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
