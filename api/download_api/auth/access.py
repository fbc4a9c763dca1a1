"""What the sender of one request may do, and what he is told where he may not."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from download_api.auth.authorization import Rights
from download_api.auth.referenced_objects import Reference
from download_api.auth.reviews import Caller, Right
from download_api.problems import ProblemError, no_schedule
from download_api.schema.from_resource import split_id

JSON = dict[str, Any]

AT_ONCE: Final = 8
"""Questions that one request may have the API server answer at the same time."""


class Access:
    """The rights of one request's sender.

    Args:
        caller: who it is.
        rights: says what he may do.
        fresh: ask anew, as for everything that changes something.
    """

    def __init__(self, caller: Caller, rights: Rights, *, fresh: bool) -> None:
        self.caller = caller
        self._rights = rights
        self._fresh = fresh
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def to_schedule(self, verb: str, subresource: str, schedule_id: str) -> None:
        """Let him do something with one schedule.

        Raises:
            ProblemError: 404, he may not get it, so for him it is not there; 403, he may get it,
                but not do that.
        """
        place = split_id(schedule_id)
        if place is None:
            raise no_schedule()
        namespace, name = place
        see = Right(verb="get", namespace=namespace, name=name)
        act = Right(verb=verb, subresource=subresource, namespace=namespace, name=name)
        granted = await self._granted([see] if see == act else [see, act])
        if see not in granted:
            raise no_schedule()
        if act not in granted:
            raise forbidden(self.caller, act)

    async def to_create(self, namespace: str) -> None:
        """Let him make a schedule.

        Raises:
            ProblemError: 403.
        """
        right = Right(verb="create", namespace=namespace)
        if not await self._may(right):
            raise forbidden(self.caller, right)

    async def to_watch(self, namespace: str) -> None:
        """Let him hear of changes to the schedules of a namespace, or of all where it is empty.

        Raises:
            ProblemError: 403.
        """
        right = Right(verb="watch", namespace=namespace)
        somewhere = bool(namespace) and await self._may(right)
        if not (somewhere or await self._may(Right(verb="watch"))):
            raise forbidden(self.caller, right)

    async def to_references(self, namespace: str, found: Iterable[Reference]) -> None:
        """Let him have a schedule use other objects of its namespace.

        Raises:
            ProblemError: 403; it names the first that he may not get.
        """
        wanted = [
            Right(verb="get", group="", resource=resource, namespace=namespace, name=name)
            for resource, name in sorted(found)
        ]
        granted = await self._granted(wanted)
        for right in wanted:
            if right not in granted:
                raise forbidden(self.caller, right)

    async def to_list(self, namespace: str = "") -> bool:
        """Whether he may list the schedules of a namespace, or of all of them at once."""
        return await self._may(Right(verb="list", namespace=namespace))

    async def listable(self, resources: list[JSON]) -> list[JSON]:
        """Return those that he may list, namespace by namespace."""
        places = sorted({resource["metadata"]["namespace"] for resource in resources})
        granted = await self._granted([Right(verb="list", namespace=place) for place in places])
        visible = {right.namespace for right in granted}
        return [item for item in resources if item["metadata"]["namespace"] in visible]

    async def _granted(self, wanted: Sequence[Right]) -> set[Right]:
        answers = await asyncio.gather(*(self._may(right) for right in wanted))
        return {right for right, allowed in zip(wanted, answers, strict=True) if allowed}

    async def _may(self, right: Right) -> bool:
        async with self._slots:
            return await self._rights.allow(self.caller, right, fresh=self._fresh)


def forbidden(caller: Caller, right: Right) -> ProblemError:
    """Return the answer to somebody who lacks a right."""
    return ProblemError(
        403, "forbidden", f"{caller.user} may not {right}: ask for a Role there that allows it."
    )
