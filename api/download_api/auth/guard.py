"""Every route says which right it needs, and asks for it before it reads anything else."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from download_api.auth.access import Access
from download_api.auth.api_keys import HashedKeys, KeyFile
from download_api.auth.authentication import (
    Anyone,
    Authentication,
    Kubernetes,
    OneKey,
    is_from_here,
)
from download_api.auth.authorization import AllRights, RememberedRights, Rights
from download_api.auth.rate_limit import Rates
from download_api.auth.reviews import Caller, is_granted, owner
from download_api.problems import ProblemError
from download_api.server.protocol import CROWDED, MAX_CONNECTIONS
from download_api.settings import Settings
from download_kube.client import KubeClient

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

STRANGERS_LIMIT: Final = 300
"""Failed sign-ins a minute from one address; beyond, nobody there is asked who he is."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True)
class Rule:
    """The right to DownloadSchedules that a route needs.

    Attributes:
        verb: None: it is enough to be let in.
        subresource: empty: the schedule itself.
    """

    verb: str | None
    subresource: str = ""


_rules: dict[Callable[..., Any], Rule] = {}


def needs(verb: str | None, subresource: str = "") -> Callable[[Endpoint], Endpoint]:
    """Declare a route's :class:`Rule`.

    Of a route to one schedule (``{schedule_id}``) it is asked for at once. Another one is only
    let in, and asks its :class:`Access` as soon as it knows the namespace.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        _rules[endpoint] = Rule(verb, subresource)
        return endpoint

    return declare


class Gate:
    """Lets requests in."""

    def __init__(self, authentication: Authentication, rights: Rights, limit: int) -> None:
        self._authentication = authentication
        self._rights = rights
        self._rates = Rates(limit) if limit else None
        self._strangers = Rates(STRANGERS_LIMIT)

    @classmethod
    def build(cls, settings: Settings, cluster: KubeClient) -> "Gate":
        """Return the one that the settings ask for."""
        file = settings.key_file
        limit = settings.rate_limit
        if settings.auth == "kubernetes":
            keys = HashedKeys(file) if file else None
            whose = partial(owner, cluster, settings.audience)
            return cls(
                Kubernetes(whose, settings.audience, keys),
                RememberedRights(partial(is_granted, cluster)),
                limit,
            )
        return cls(OneKey(KeyFile(file)) if file else Anyone(), AllRights(), limit)

    async def admit(self, request: Request, rule: Rule) -> None:
        """Let a request in; its state then says what its sender may do.

        Raises:
            ProblemError: he may not come in, or not do what the route does, or not so often; or
                too many are here.
        """
        if request.scope["state"].get(CROWDED):
            raise _crowded()
        fresh = request.method not in SAFE_METHODS
        caller = await self._caller(request, fresh)
        access = Access(caller, self._rights, fresh=fresh)
        request.state.access = access  # also of who is refused: the audit names him
        if self._rates:
            request.state.standing = self._rates.take(caller.user)
            request.state.standing.check()
        schedule_id = request.path_params.get("schedule_id")
        if rule.verb and schedule_id is not None:
            await access.to_schedule(rule.verb, rule.subresource, schedule_id)

    async def _caller(self, request: Request, fresh: bool) -> Caller:
        """Find out who it is; whoever fails at that too often from one address has to wait."""
        headers, address = request.headers, request.client.host if request.client else ""
        if isinstance(self._authentication, Anyone) and not is_from_here(
            headers.get("host", ""), headers.get("origin")
        ):
            raise _from_elsewhere()
        self._strangers.look(address).check()
        try:
            return await self._authentication.caller(
                headers.get("authorization"), headers.get("x-api-key"), fresh=fresh
            )
        except ProblemError as error:
            if error.status == 401:
                self._strangers.take(address)
            raise


def _from_elsewhere() -> ProblemError:
    sentence = (
        "Without a key this is for programs of this machine: ask http://localhost, and not from"
        " another site's page; or have a key (DOWNLOAD_API_KEY_FILE)."
    )
    return ProblemError(401, "unauthorized", sentence, {"WWW-Authenticate": "Bearer"})


def _crowded() -> ProblemError:
    sentence = f"More than {MAX_CONNECTIONS} connections at a time: try again in a few seconds."
    headers = {"Retry-After": "5", "Connection": "close"}
    return ProblemError(503, "too_many_connections", sentence, headers)


class GuardedRoute(APIRoute):
    """A route that nobody reaches but through the gate."""

    @property
    def rule(self) -> Rule:
        """What the route needs.

        Raises:
            KeyError: nobody declared it.
        """
        return _rules[self.endpoint]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with the gate before it."""
        rule, handle = self.rule, super().get_route_handler()

        async def guarded(request: Request) -> Response:
            gate: Gate = request.app.state.gate
            await gate.admit(request, rule)
            return await handle(request)

        return guarded
