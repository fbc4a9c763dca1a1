"""Who sent a request: one class for each way to find out."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from cachetools import LRUCache, TLRUCache

from download_api.auth.api_keys import HashedKeys, SharedKey, parse_bearer
from download_api.auth.reviews import Caller
from download_api.auth.ttl_cache import MAX_ENTRIES, Clock, Entry, expiring_cache
from download_api.problems.problem import ProblemError

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN_SECONDS: Final = 60
"""How long reads may go on after a token was revoked."""


class Authenticator(Protocol):
    """A way to find out who sent a request."""

    def recognizes(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Return whether these headers are a right key or a known token, without asking anybody."""

    async def authenticate(
        self, authorization: str | None, x_api_key: str | None, *, fresh: bool
    ) -> Caller:
        """Return who sent these headers; *fresh* ignores cached identities.

        Raises:
            ProblemError: 401, the headers identify nobody.
        """


class LoopbackAuth:
    """Accepts everyone. For loopback only, see :func:`is_same_machine`."""

    def recognizes(self, _: str | None, __: str | None) -> bool:
        """Return True."""
        return True

    async def authenticate(
        self,
        _: str | None,
        __: str | None,
        *,
        fresh: bool,  # noqa: ARG002 - part of the protocol
    ) -> Caller:
        """Return the one caller of an API without authentication."""
        return Caller(user="local")


def is_same_machine(host: str, origin: str | None) -> bool:
    """Return whether a request is addressed to this machine, and not sent by another site's page.

    A browser on this machine can be made to send requests to loopback by any page: with a form, or
    with scripts if the page's own name now resolves to loopback (DNS rebinding). It then names the
    page in Origin or Host.

    Args:
        host: value of the header Host.
        origin: value of the header Origin, if the request has one.
    """
    try:
        addresses = [urlsplit(f"//{host}"), *([] if origin is None else [urlsplit(origin)])]
        return all(address.hostname in LOOPBACK_NAMES for address in addresses)
    except ValueError:
        return False


class SharedKeyAuth:
    """Accepts everyone who has the key."""

    def __init__(self, key: SharedKey) -> None:
        self._key = key

    def recognizes(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Return whether the request carries the key."""
        return self._key.matches(authorization, x_api_key)

    async def authenticate(
        self,
        authorization: str | None,
        x_api_key: str | None,
        *,
        fresh: bool,  # noqa: ARG002 - part of the protocol
    ) -> Caller:
        """Return the one caller of an API with a shared key.

        Raises:
            ProblemError: 401, the request does not carry the key.
        """
        if not self._key.matches(authorization, x_api_key):
            message = "Send the API key as Authorization: Bearer KEY or as X-API-Key: KEY."
            raise ProblemError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        return Caller(user="api-key")


class TokenReviewAuth:
    """Accepts tokens of the cluster, and keys that stand for a user.

    Args:
        review: asks the API server who owns a token.
        audience: audience of the tokens, for the advice in a 401; empty: that of the API server.
        keys: the hashed keys, if there is a file of them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        review: Callable[[str], Awaitable[Caller | None]],
        audience: str,
        keys: HashedKeys | None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._review = review
        self._audience = audience
        self._keys = keys
        self._clock = clock
        self._cache: TLRUCache[bytes, Entry[Caller]] = expiring_cache(clock)
        """Owners of tokens, by the token's digest."""
        self._known: LRUCache[bytes, None] = LRUCache(MAX_ENTRIES)
        """Digests of tokens whose last review found an owner, however long ago."""

    def recognizes(self, authorization: str | None, x_api_key: str | None) -> bool:
        """Return whether the headers are a right key, or a token that had an owner when last asked.

        A token that was revoked meanwhile costs one more review, which takes it off the list.
        """
        token = parse_bearer(authorization)
        key = x_api_key or token
        if key and self._keys and self._keys.find_caller(key):
            return True
        return not x_api_key and token is not None and _digest(token) in self._known

    async def authenticate(
        self, authorization: str | None, x_api_key: str | None, *, fresh: bool
    ) -> Caller:
        """Return who owns the key or token. If both are sent, X-API-Key counts.

        Raises:
            ProblemError: 401, there is neither, or it is not accepted.
        """
        token = parse_bearer(authorization)
        key = x_api_key or token
        if key and self._keys and (caller := self._keys.find_caller(key)):
            return caller
        if not x_api_key and token and (caller := await self._token_owner(token, fresh=fresh)):
            return caller
        raise self._unauthorized(has_credentials=bool(key))

    async def _token_owner(self, token: str, *, fresh: bool) -> Caller | None:
        digest = _digest(token)
        if not fresh and (entry := self._cache.get(digest)):
            return entry.value
        asked_at = self._clock()
        owner = await self._review(token)
        if owner:
            self._cache[digest] = Entry(owner, expires_at=asked_at + TOKEN_SECONDS)
            self._known[digest] = None
        else:
            self._cache.pop(digest, None)
            self._known.pop(digest, None)
        return owner

    def _unauthorized(self, *, has_credentials: bool) -> ProblemError:
        audience = f" --audience={self._audience}" if self._audience else ""
        message = (
            "Send a token of the cluster as Authorization: Bearer TOKEN"
            f" (`kubectl create token ACCOUNT{audience}` makes one)"
        )
        if self._keys:
            message += ", or an API key as X-API-Key: KEY"
        challenge = 'Bearer realm="download-operator"'
        if has_credentials:
            challenge += ', error="invalid_token"'
        return ProblemError(401, "unauthorized", f"{message}.", {"WWW-Authenticate": challenge})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
