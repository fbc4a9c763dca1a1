"""What a caller may do: Kubernetes decides, or everyone who was let in may do nearly everything."""

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

from cachetools import TLRUCache

from download_api.auth.reviews import Caller, Permission
from download_api.auth.ttl_cache import Clock, Entry, expiring_cache

ALLOW_SECONDS: Final = 30
"""How long reads may go on after a permission was taken away."""
DENY_SECONDS: Final = 5
"""How long reads may be refused after a permission was granted."""
ASK_FOR_ROLE: Final = "ask for a Role there that allows it"
"""Advice to a caller who lacks a permission that Kubernetes grants."""


class Authorizer(Protocol):
    """Decides who may do what."""

    @property
    def advice(self) -> str:
        """What a caller can do who lacks a permission in a namespace, as the end of a sentence."""

    async def is_allowed(self, caller: Caller, permission: Permission, *, fresh: bool) -> bool:
        """Return whether *caller* has *permission*; *fresh* ignores cached decisions."""


class AllowAll:
    """Allows everything."""

    advice: Final = ASK_FOR_ROLE

    async def is_allowed(
        self,
        _: Caller,
        __: Permission,
        *,
        fresh: bool,  # noqa: ARG002 - part of the protocol
    ) -> bool:
        """Return True."""
        return True


class KeyAuthorizer:
    """Allows everything but Secrets, because nobody with rights of their own stands behind a key.

    Args:
        secret_namespaces: where Secrets may be used nevertheless.
    """

    advice: Final = (
        "create the schedule with kubectl and your own rights, or have an administrator add the "
        "namespace to api.keySecretNamespaces of the chart"
    )

    def __init__(self, secret_namespaces: Collection[str]) -> None:
        self._secret_namespaces = secret_namespaces

    async def is_allowed(
        self,
        _: Caller,
        permission: Permission,
        *,
        fresh: bool,  # noqa: ARG002 - part of the protocol
    ) -> bool:
        """Return whether holders of the key have *permission*."""
        return permission.resource != "secrets" or permission.namespace in self._secret_namespaces


class CachedAuthorizer:
    """Asks Kubernetes, and caches its decisions.

    Args:
        review: asks Kubernetes whether a caller has a permission.
        clock: monotonic seconds.
    """

    advice: Final = ASK_FOR_ROLE

    def __init__(
        self,
        review: Callable[[Caller, Permission], Awaitable[bool]],
        clock: Clock = time.monotonic,
    ) -> None:
        self._review = review
        self._clock = clock
        self._cache: TLRUCache[tuple[Caller, Permission], Entry[bool]] = expiring_cache(clock)

    async def is_allowed(self, caller: Caller, permission: Permission, *, fresh: bool) -> bool:
        """Return whether *caller* has *permission*; *fresh* ignores cached decisions.

        Raises:
            ProblemError, UnreachableError: Kubernetes did not decide, so nothing is allowed.
        """
        if not fresh and (entry := self._cache.get((caller, permission))):
            return entry.value
        asked_at = self._clock()
        allowed = await self._review(caller, permission)
        seconds = ALLOW_SECONDS if allowed else DENY_SECONDS
        self._cache[caller, permission] = Entry(allowed, expires_at=asked_at + seconds)
        return allowed
