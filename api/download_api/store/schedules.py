"""The schedules in the cluster: get, create, update, delete."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from download_api.auth.access import Access
from download_api.auth.referenced_objects import references_to_authorize
from download_api.problems.problem import ProblemError, schedule_not_found
from download_api.schema import idempotency
from download_api.schema.etags import satisfies_if_match
from download_api.schema.ids import slug, split_id
from download_api.schema.models import NewSchedule
from download_api.schema.to_resource import build_resource, merge
from download_api.store.conflicts import ConflictRetries
from download_api.store.requests import dry_run_query, path_of
from download_api.store.schedule_lists import ScheduleLists
from download_api.tracing import Trace
from download_kube.client import KubeClient
from download_kube.errors import ApiError
from download_kube.pages import read_version
from download_kube.paths import ALL_NAMESPACES, SCHEDULES, collection, schedule_path
from download_schedule.model import PLURAL
from download_schedule.namespaces import ServedNamespaces
from download_schedule.types import JSONObject

OWNER: Final = "downloads.dev/owner"
"""Annotation with the user who created the schedule through the API, and label with a digest of
that user, by which schedules can be selected."""
MAX_CREATE_ATTEMPTS: Final = 5
UPDATES_AT_ONCE: Final = 8
"""Changes that are carried out at the same time. Each has the whole resource in memory, of which
anybody who may write it can make 10 MB."""


class ScheduleStore:
    """DownloadSchedules, by the ids that the API gives them."""

    def __init__(self, client: KubeClient, served: ServedNamespaces) -> None:
        self._client = client
        self._served = served
        self.lists = ScheduleLists(client, served)
        self.updates = asyncio.Semaphore(UPDATES_AT_ONCE)
        """Held by what reads a schedule and then writes it."""

    async def ping(self) -> None:
        """Ask the cluster for next to nothing.

        A namespace that was deleted does not matter while there is another.

        Raises:
            ApiError, UnreachableError: other requests would fail, too.
        """
        *others, last = self._served.listed or (ALL_NAMESPACES,)
        for namespace in others:
            with suppress(ApiError):
                return await self._ping(namespace)
        return await self._ping(last)

    async def _ping(self, namespace: str) -> None:
        await read_version(self._client, collection(SCHEDULES, namespace, PLURAL))

    async def get(self, schedule_id: str, if_match: str | None = None) -> JSONObject:
        """Return a schedule.

        Args:
            schedule_id: which one.
            if_match: ETags, of which the schedule must have one; None allows any.

        Raises:
            ProblemError: 404, it does not exist; 412, it has another ETag.
        """
        resource = await self._request("GET", schedule_id)
        if not satisfies_if_match(resource, if_match):
            message = "The schedule has changed since; GET it again and repeat the request."
            raise ProblemError(412, "precondition_failed", message)
        return resource

    def check_served(self, namespace: str) -> None:
        """Return only if the operator carries out schedules of *namespace*.

        Raises:
            ProblemError: 422, it does not.
        """
        if refusal := self._served.refusal(namespace):
            raise ProblemError(422, "validation_error", f"namespace: {refusal}")

    async def create(
        self,
        new: NewSchedule,
        namespace: str,
        idempotency_key: str | None,
        access: Access,
        trace: Trace,
        *,
        dry_run: bool,
    ) -> JSONObject:
        """Create a schedule and return it.

        Args:
            new: the schedule.
            namespace: where to create it.
            idempotency_key: if the caller's request with this key has created a schedule before,
                that one is returned.
            access: what the caller may do.
            trace: goes into the annotations.
            dry_run: check everything, but create nothing.

        Raises:
            ProblemError: 403, the caller may not create it, or not use what it refers to; 400 or
                422, it is invalid, or in a namespace that is not served, or the key was used for
                another request; 409, no name is free.
            ApiError: 404, the namespace does not exist.
        """
        await access.check_create(namespace)
        self.check_served(namespace)
        user = access.caller.user
        name = idempotency.resource_name(user, idempotency_key) if idempotency_key else ""
        digest = idempotency.request_digest(new) if idempotency_key else None
        resource = build_resource(new, namespace, name or slug(new.name))
        await access.check_references(namespace, references_to_authorize(None, resource["spec"]))

        metadata = resource["metadata"]
        metadata["labels"] = {OWNER: owner_label(user)}
        metadata["annotations"] = merge(
            metadata["annotations"],
            {
                **trace.annotations(),
                OWNER: user,
                idempotency.REQUEST_DIGEST_ANNOTATION: digest,
            },
        )
        if digest:
            return await self._create_once(resource, digest, dry_run=dry_run)
        return await self._create_under_free_name(resource, dry_run=dry_run)

    async def update(
        self,
        schedule_id: str,
        if_match: str | None,
        edit: Callable[[JSONObject], JSONObject],
        access: Access,
        trace: Trace,
        *,
        dry_run: bool,
    ) -> JSONObject:
        """Change a schedule and return it.

        Args:
            schedule_id: which one.
            if_match: ETags, of which the schedule must have one; None allows any.
            edit: returns the changed resource. Called again if somebody else has written the
                schedule in the meantime.
            access: what the caller may do.
            trace: goes into the annotations.
            dry_run: check everything, but change nothing.

        Raises:
            ProblemError: 404, it does not exist; 412, it has another ETag; 400 or 422, it would be
                invalid; 403, the caller may not use what it would refer to.
            ApiError: 409, somebody else keeps writing the schedule.
        """
        retries = ConflictRetries()
        async with self.updates:
            while True:
                resource = await self.get(schedule_id, if_match)
                edited = edit(resource)
                metadata = edited["metadata"]
                references = references_to_authorize(resource["spec"], edited["spec"])
                await access.check_references(metadata["namespace"], references)
                annotations = merge(metadata.get("annotations"), trace.annotations())
                body = {**edited, "metadata": {**metadata, "annotations": annotations}}
                try:
                    return await self._client.request(
                        "PUT", path_of(resource), body, dry_run_query(dry_run)
                    )
                except ApiError as error:
                    retries.spend(error)

    async def delete(self, schedule_id: str, if_match: str | None, *, dry_run: bool) -> None:
        """Delete a schedule. Kubernetes then deletes its CronJob, Jobs and Pods.

        Args:
            schedule_id: which one.
            if_match: ETags, of which the schedule must have one; None allows any.
            dry_run: check everything, but delete nothing.

        Raises:
            ProblemError: 404, it does not exist; 412, it has another ETag.
            ApiError: 409, somebody else keeps writing the schedule.
        """
        if if_match is None:
            await self._request("DELETE", schedule_id, dry_run_query(dry_run))
            return
        retries = ConflictRetries()
        while True:
            resource = await self.get(schedule_id, if_match)
            metadata = resource["metadata"]
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {key: metadata[key] for key in ("uid", "resourceVersion")},
                "dryRun": ["All"] if dry_run else [],  # the query is ignored if there is a body
            }
            try:
                await self._client.request("DELETE", path_of(resource), options)
                return
            except ApiError as error:
                retries.spend(error)

    async def _create_under_free_name(self, resource: JSONObject, *, dry_run: bool) -> JSONObject:
        """Create *resource*, with a random suffix if its name is taken."""
        metadata = resource["metadata"]
        name = metadata["name"]
        for _ in range(MAX_CREATE_ATTEMPTS):
            if (created := await self._create(resource, dry_run=dry_run)) is not None:
                return created
            metadata["name"] = f"{name}-{secrets.token_hex(3)}"
        message = "name: too many schedules have this name; choose another one"
        raise ProblemError(409, "conflict", message)

    async def _create_once(self, resource: JSONObject, digest: str, *, dry_run: bool) -> JSONObject:
        """Create *resource* unless the request with this digest did so before."""
        for _ in range(MAX_CREATE_ATTEMPTS):
            if (created := await self._create(resource, dry_run=dry_run)) is not None:
                return created
            if (existing := await self._find(resource)) is not None:
                idempotency.check_repetition(existing, digest)
                return existing
        message = "The schedule of this Idempotency-Key is being deleted; try again in a moment."
        raise ProblemError(409, "conflict", message, {"Retry-After": "1"})

    async def _create(self, resource: JSONObject, *, dry_run: bool) -> JSONObject | None:
        """Create *resource*; return None if its name is taken."""
        path = collection(SCHEDULES, resource["metadata"]["namespace"], PLURAL)
        try:
            return await self._client.request("POST", path, resource, dry_run_query(dry_run))
        except ApiError as error:
            if not error.already_exists:
                raise
        return None

    async def _find(self, resource: JSONObject) -> JSONObject | None:
        """Return the stored resource of that name, or None if it does not exist."""
        try:
            return await self._client.request("GET", path_of(resource))
        except ApiError as error:
            if not error.is_not_found:
                raise
        return None

    async def _request(
        self, method: str, schedule_id: str, query: Mapping[str, str] | None = None
    ) -> JSONObject:
        parts = split_id(schedule_id)
        if parts is None or not self._served.is_readable(parts[0]):
            raise schedule_not_found()
        try:
            return await self._client.request(method, schedule_path(*parts), query=query)
        except ApiError as error:
            if error.is_not_found:
                raise schedule_not_found() from error
            raise


def owner_label(user: str) -> str:
    """Return the value of the label of schedules that *user* created."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]
