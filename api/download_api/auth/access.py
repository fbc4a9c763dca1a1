"""What the caller of one request may do, and the problem if they may not."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from download_api.auth.authorization import ASK_FOR_ROLE, Authorizer
from download_api.auth.referenced_objects import Reference
from download_api.auth.reviews import Caller, Permission
from download_api.problems.problem import ProblemError, schedule_not_found
from download_api.schema.ids import split_id
from download_schedule.types import JSONObject

MAX_CONCURRENT_REVIEWS: Final = 8
"""Reviews that one request may have under way at the API server."""


class Access:
    """The permissions of one request's caller.

    Args:
        caller: who they are.
        authorizer: decides what they may do.
        fresh: whether to ignore cached decisions, as for every request that changes something.
    """

    def __init__(self, caller: Caller, authorizer: Authorizer, *, fresh: bool) -> None:
        self.caller = caller
        self._authorizer = authorizer
        self._fresh = fresh
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_REVIEWS)

    async def check_schedule(self, verb: str, subresource: str, schedule_id: str) -> None:
        """Return only if the caller may do something with one schedule.

        Raises:
            ProblemError: 404, they may not get the schedule, so to them it does not exist; 403,
                they may get it, but not do that.
        """
        parts = split_id(schedule_id)
        if parts is None:
            raise schedule_not_found()
        namespace, name = parts
        get = Permission(verb="get", namespace=namespace, name=name)
        act = Permission(verb=verb, subresource=subresource, namespace=namespace, name=name)
        allowed = await self._allowed([get] if get == act else [get, act])
        if get not in allowed:
            raise schedule_not_found()
        if act not in allowed:
            raise forbidden(self.caller, act)

    async def check_create(self, namespace: str) -> None:
        """Return only if the caller may create schedules in a namespace.

        Raises:
            ProblemError: 403.
        """
        permission = Permission(verb="create", namespace=namespace)
        if not await self._is_allowed(permission):
            raise forbidden(self.caller, permission)

    async def check_watch(self, namespace: str) -> None:
        """Return only if the caller may watch the schedules of a namespace; empty: of all.

        Raises:
            ProblemError: 403.
        """
        if not await self._may_everywhere_or_in(namespace, "watch"):
            raise forbidden(self.caller, Permission(verb="watch", namespace=namespace))

    async def check_references(self, namespace: str, references: Iterable[Reference]) -> None:
        """Return only if the caller may have a schedule use these objects of its namespace.

        Raises:
            ProblemError: 403; it names the first object that they may not use.
        """
        permissions = [permissions_to_use(namespace, item) for item in sorted(references)]
        allowed = await self._allowed([one for either in permissions for one in either])
        for either in permissions:
            if allowed.isdisjoint(either):
                raise forbidden(self.caller, *either, advice=self._authorizer.advice)

    async def may_list(self, namespace: str) -> bool:
        """Return whether the caller may list all schedules of a namespace; empty: of all."""
        return await self._may_everywhere_or_in(namespace, "list")

    async def filter_listable(self, resources: Sequence[JSONObject]) -> list[JSONObject]:
        """Return those of *resources* whose namespace's schedules the caller may list."""
        namespaces = sorted({resource["metadata"]["namespace"] for resource in resources})
        allowed = await self._allowed(
            [Permission(verb="list", namespace=namespace) for namespace in namespaces]
        )
        visible = {permission.namespace for permission in allowed}
        return [item for item in resources if item["metadata"]["namespace"] in visible]

    async def _may_everywhere_or_in(self, namespace: str, verb: str) -> bool:
        if namespace and await self._is_allowed(Permission(verb=verb, namespace=namespace)):
            return True
        return await self._is_allowed(Permission(verb=verb))

    async def _allowed(self, permissions: Sequence[Permission]) -> set[Permission]:
        """Return those of *permissions* that the caller has."""
        decisions = await asyncio.gather(*map(self._is_allowed, permissions))
        return {p for p, allowed in zip(permissions, decisions, strict=True) if allowed}

    async def _is_allowed(self, permission: Permission) -> bool:
        async with self._slots:
            return await self._authorizer.is_allowed(self.caller, permission, fresh=self._fresh)


def permissions_to_use(namespace: str, reference: Reference) -> tuple[Permission, ...]:
    """Return the permissions of which one is needed to have a schedule use an object.

    Kubernetes itself lets everybody write to a claim who may create a Pod beside it. The chart's
    policy ``download-operator-references`` asks for the same.
    """
    resource, name = reference
    if resource == "persistentvolumeclaims":
        use = Permission(verb="use", group="", resource=resource, namespace=namespace, name=name)
        return use, Permission(verb="create", group="", resource="pods", namespace=namespace)
    return (Permission(verb="get", group="", resource=resource, namespace=namespace, name=name),)


def forbidden(
    caller: Caller,
    permission: Permission,
    *alternatives: Permission,
    advice: str = ASK_FOR_ROLE,
) -> ProblemError:
    """Return the problem of a caller who lacks a permission, and others that would do as well."""
    others = "".join(f", or to {alternative}" for alternative in alternatives)
    message = f"{caller.user} may not {permission}; {advice}{others}."
    return ProblemError(403, "forbidden", message)
