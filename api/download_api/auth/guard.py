"""Every route declares the permission that it requires, and checks it before reading the body."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from download_api.auth.access import Access
from download_api.auth.api_keys import HashedKeys, SharedKey
from download_api.auth.authentication import (
    Authenticator,
    LoopbackAuth,
    SharedKeyAuth,
    TokenReviewAuth,
    is_same_machine,
)
from download_api.auth.authorization import (
    AllowAll,
    Authorizer,
    CachedAuthorizer,
    KeyAuthorizer,
)
from download_api.auth.capacity import CONNECTION, Connection, too_many_connections
from download_api.auth.rate_limit import RateLimiter
from download_api.auth.reviews import Caller, review_access, review_token
from download_api.auth.ttl_cache import Clock
from download_api.problems.problem import ProblemError
from download_api.settings import Settings
from download_kube.client import KubeClient

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])

FAILED_LOGINS_LIMIT: Final = 300
"""Failed logins a minute from one address. Beyond it, requests from there are only handled if their
key or token is known."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True)
class RequiredPermission:
    """The permission on DownloadSchedules that a route requires."""

    verb: str | None
    """None if every authenticated caller may use the route."""
    subresource: str = ""
    """Empty for the schedule itself."""

    @property
    def is_audited(self) -> bool:
        """Whether a use of it is audited although it changes nothing: the API reads files, logs and
        changes with its own account, so Kubernetes' audit log does not name the caller.
        """
        return self.verb == "watch" or self.subresource in {"content", "log"}


_ATTRIBUTE: Final = "required_permission"
"""Attribute of an endpoint that holds its :class:`RequiredPermission`."""


def requires(verb: str | None, subresource: str = "") -> Callable[[EndpointT], EndpointT]:
    """Declare the permission that a route requires.

    If the route's path names a schedule (``{schedule_id}``), the guard checks the permission. Other
    routes check it themselves with their :class:`Access`, once they know the namespace.
    """

    def declare(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _ATTRIBUTE, RequiredPermission(verb, subresource))
        return endpoint

    return declare


class RequestGuard:
    """Decides which requests are handled.

    Args:
        authenticator: finds out who the caller is.
        authorizer: decides what they may do.
        rate_limit: requests a minute per caller; 0 for no limit.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        rate_limit: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._requests = RateLimiter(rate_limit, clock=clock) if rate_limit else None
        self._failed_logins = RateLimiter(
            FAILED_LOGINS_LIMIT, "failed sign-ins from your address", clock
        )

    @classmethod
    def from_settings(cls, settings: Settings, client: KubeClient) -> Self:
        """Return the guard that the settings ask for."""
        if settings.auth == "kubernetes":
            return cls(
                TokenReviewAuth(
                    partial(review_token, client, settings.audience),
                    settings.audience,
                    HashedKeys(settings.key_file) if settings.key_file else None,
                ),
                CachedAuthorizer(partial(review_access, client)),
                settings.rate_limit,
            )
        if settings.key_file:
            return cls(
                SharedKeyAuth(SharedKey(settings.key_file)),
                KeyAuthorizer(settings.key_secret_namespaces),
                settings.rate_limit,
            )
        return cls(LoopbackAuth(), AllowAll(), settings.rate_limit)

    async def admit(self, request: Request, required: RequiredPermission) -> None:
        """Return only if the request may be handled, with its caller's access in its state.

        Raises:
            ProblemError: too many connections are open; the caller is unknown, sends too many
                requests, or lacks the permission.
        """
        connection: Connection = request.scope["state"][CONNECTION]
        if connection.is_over_capacity:
            raise too_many_connections()
        fresh = request.method not in SAFE_METHODS
        caller = await self._authenticate(request, fresh=fresh)
        connection.sign_in()
        access = Access(caller, self._authorizer, fresh=fresh)
        request.state.access = access  # even if refused below: the audit names the caller
        if self._requests:
            request.state.rate_limit = self._requests.consume(caller.user)
            request.state.rate_limit.check()
        schedule_id = request.path_params.get("schedule_id")
        if required.verb and schedule_id is not None:
            await access.check_schedule(required.verb, required.subresource, schedule_id)

    async def _authenticate(self, request: Request, *, fresh: bool) -> Caller:
        """Return the caller. Unknown ones from addresses with many failed logins have to wait."""
        headers, address = request.headers, request.client.host if request.client else ""
        if isinstance(self._authenticator, LoopbackAuth) and not is_same_machine(
            headers.get("host", ""), headers.get("origin")
        ):
            raise _cross_origin_refused()
        credentials = headers.get("authorization"), headers.get("x-api-key")
        if self._authenticator.recognizes(*credentials):
            return await self._authenticator.authenticate(*credentials, fresh=fresh)
        # Counted beforehand: otherwise all of an address's connections could ask at the same time.
        self._failed_logins.consume(address).check()
        has_failed = False
        try:
            return await self._authenticator.authenticate(*credentials, fresh=fresh)
        except ProblemError as error:
            has_failed = error.status == 401
            raise
        finally:
            if not has_failed:
                self._failed_logins.restore(address)


def _cross_origin_refused() -> ProblemError:
    message = (
        "Without an API key, only programs on this machine may send requests: use http://localhost,"
        " and no page of another site; or configure a key (DOWNLOAD_API_KEY_FILE)."
    )
    return ProblemError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


class GuardedRoute(APIRoute):
    """A route that only handles requests which the guard admits."""

    @property
    def required_permission(self) -> RequiredPermission:
        """The permission that the endpoint declares.

        Raises:
            TypeError: it declares none.
        """
        required = getattr(self.endpoint, _ATTRIBUTE, None)
        if not isinstance(required, RequiredPermission):
            raise TypeError(f"{self.name} declares no permission; decorate it with @requires(...)")
        return required

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, with the guard in front of it."""
        required, handle = self.required_permission, super().get_route_handler()

        async def handle_if_admitted(request: Request) -> Response:
            guard: RequestGuard = request.state.guard
            await guard.admit(request, required)
            return await handle(request)

        return handle_if_admitted
