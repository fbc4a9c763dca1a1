"""Who sent a request: one class for each way to find out."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from download_api.auth.api_keys import HashedKeys, KeyFile, bearer
from download_api.auth.reviews import Caller
from download_api.auth.ttl_cache import Clock, Expiring
from download_api.problems import ProblemError

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
IDENTITY_SECONDS: Final = 60
"""A token that is revoked is still good for so long, to read."""


class Authentication(Protocol):
    """A way to find out who sent a request."""

    async def caller(
        self, authorization: str | None, x_api_key: str | None, *, fresh: bool
    ) -> Caller:
        """Return who sends these headers; *fresh* believes nothing that was found out before.

        Raises:
            ProblemError: 401, nobody who may come in.
        """


class Anyone:
    """Whoever can reach us: for loopback only, see :func:`is_from_here`."""

    async def caller(
        self,
        _: str | None,
        __: str | None,
        *,
        fresh: bool,  # noqa: ARG002 - the protocol's
    ) -> Caller:
        """Return the only caller there is."""
        return Caller(user="local")


def is_from_here(host: str, origin: str | None) -> bool:
    """Whether a request is for this machine, and no other site's page has a browser send it.

    A browser on this machine reaches loopback for any page: by a form or, where the page's own name
    has become an address of loopback, by all means. It then names the page in these headers.
    """
    try:
        named = [urlsplit(f"//{host}"), *([] if origin is None else [urlsplit(origin)])]
        return all(place.hostname in LOOPBACK_NAMES for place in named)
    except ValueError:
        return False


class OneKey:
    """Whoever has the key."""

    def __init__(self, key: KeyFile) -> None:
        self._key = key

    async def caller(
        self,
        authorization: str | None,
        x_api_key: str | None,
        *,
        fresh: bool,  # noqa: ARG002 - the protocol's
    ) -> Caller:
        """Return the only caller there is.

        Raises:
            ProblemError: 401, without the key.
        """
        if not self._key.matches(authorization, x_api_key):
            sentence = "Send the API key as Authorization: Bearer KEY or as X-API-Key: KEY."
            raise ProblemError(401, "unauthorized", sentence, {"WWW-Authenticate": "Bearer"})
        return Caller(user="api-key")


class Kubernetes:
    """Whoever has a token of the cluster's, or a key that stands for a user of it.

    Args:
        owner: asks whose a token is.
        audience: whom a token is made for, to say so; empty: the API server itself.
        keys: the keys, if there are any.
        clock: for what is remembered.
    """

    def __init__(
        self,
        owner: Callable[[str], Awaitable[Caller | None]],
        audience: str,
        keys: HashedKeys | None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._ask_owner = owner
        self._audience = audience
        self._keys = keys
        self._clock = clock
        self._known: Expiring[bytes, Caller] = Expiring(clock)

    async def caller(
        self, authorization: str | None, x_api_key: str | None, *, fresh: bool
    ) -> Caller:
        """Return whose the key or token is; X-API-Key goes before Authorization.

        Raises:
            ProblemError: 401, there is none, or it is not good here.
        """
        token = bearer(authorization)
        key = x_api_key or token
        if key and self._keys and (found := self._keys.caller(key)):
            return found
        if not x_api_key and token and (found := await self._owner(token, fresh)):
            return found
        raise self._unauthorized(offered=bool(key))

    async def _owner(self, token: str, fresh: bool) -> Caller | None:
        digest = hashlib.sha256(token.encode()).digest()
        if not fresh and (known := self._known.get(digest)):
            return known
        asked = self._clock()
        found = await self._ask_owner(token)
        if found:
            self._known.put(digest, found, asked + IDENTITY_SECONDS)
        else:
            self._known.drop(digest)
        return found

    def _unauthorized(self, *, offered: bool) -> ProblemError:
        audience = f" --audience={self._audience}" if self._audience else ""
        sentence = (
            "Send a token of the cluster as Authorization: Bearer TOKEN, such as"
            f" `kubectl create token ACCOUNT{audience}` makes"
        )
        if self._keys:
            sentence += ", or an API key as X-API-Key: KEY"
        challenge = 'Bearer realm="download-operator"'
        if offered:
            challenge += ', error="invalid_token"'
        return ProblemError(401, "unauthorized", sentence + ".", {"WWW-Authenticate": challenge})
