"""What a caller may do: Kubernetes' own rights, or everything for whoever has the one key."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from download_api.auth.reviews import Caller, Right
from download_api.auth.ttl_cache import Clock, Expiring

ALLOW_SECONDS: Final = 30
"""A right that is taken away is still good for so long, to read."""
DENY_SECONDS: Final = 5


class Rights(Protocol):
    """Says who may do what."""

    async def allow(self, caller: Caller, right: Right, *, fresh: bool) -> bool:
        """Whether *caller* has *right*; *fresh* believes nothing that was found out before."""


class AllRights:
    """Everybody who is let in may do everything."""

    async def allow(self, _: Caller, __: Right, *, fresh: bool) -> bool:  # noqa: ARG002 - see Rights
        """Return True."""
        return True


class RememberedRights:
    """Kubernetes decides, and for a moment is believed to decide the same again.

    Args:
        is_granted: asks it.
        clock: for what is remembered.
    """

    def __init__(
        self,
        is_granted: Callable[[Caller, Right], Awaitable[bool]],
        clock: Clock = time.monotonic,
    ) -> None:
        self._is_granted = is_granted
        self._clock = clock
        self._known: Expiring[tuple[Caller, Right], bool] = Expiring(clock)

    async def allow(self, caller: Caller, right: Right, *, fresh: bool) -> bool:
        """Whether *caller* has *right*.

        Raises:
            ProblemError, UnreachableError: it cannot be found out, so nobody may do anything.
        """
        known = None if fresh else self._known.get((caller, right))
        if known is not None:
            return known
        asked = self._clock()
        granted = await self._is_granted(caller, right)
        seconds = ALLOW_SECONDS if granted else DENY_SECONDS
        self._known.put((caller, right), granted, asked + seconds)
        return granted
