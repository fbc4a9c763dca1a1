"""The schedules in the cluster: read, made, changed, deleted."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from download_api.auth.access import Access
from download_api.auth.referenced_objects import to_be_granted
from download_api.problems import ProblemError, no_schedule
from download_api.schema import idempotency
from download_api.schema.from_resource import is_expected, slug, split_id
from download_api.schema.models import NewSchedule
from download_api.schema.paging import bad_cursor
from download_api.schema.runs import is_asked_for, is_waiting
from download_api.schema.to_resource import MERGE_PATCH, manifest, merge
from download_api.tracing import marks
from download_kube.client import ApiError, KubeClient
from download_schedule.model import GROUP, PLURAL, VERSION, ConcurrencyPolicy
from download_schedule.names import RUN_REQUESTED_ANNOTATION

JSON = dict[str, Any]

OWNER: Final = "downloads.dev/owner"
"""Annotation: who made it here. Label of the same name: that in a form that can be asked for."""
PAGE: Final = 500
"""Schedules that the API server is asked for at once."""
NAME_ATTEMPTS: Final = 5
CHANGE_ATTEMPTS: Final = 5
"""The version to change is that of a moment ago; the operator writes each run's start and end."""


class Schedules:
    """DownloadSchedules, found by the ids that the API gives them."""

    def __init__(self, cluster: KubeClient) -> None:
        self._cluster = cluster

    async def check(self) -> None:
        """Ask the cluster for next to nothing.

        Raises:
            ApiError, UnreachableError: nothing else would work either.
        """
        await self._cluster.request("GET", collection(), query={"limit": "1"})

    async def all(self, namespace: str = "", labels: str = "") -> list[JSON]:
        """Return every schedule, of all namespaces or one, in the order of :func:`place`."""
        found: list[JSON] = []
        token = ""
        while True:
            page, token, _ = await self.some(namespace, labels, PAGE, token)
            found += page
            if not token:
                return sorted(found, key=place)

    async def some(
        self, namespace: str, labels: str, limit: int, token: str
    ) -> tuple[list[JSON], str, int]:
        """Return at most *limit* schedules, the API server's word for where the next ones are, and
        how many these are (which it does not say of those with certain labels).

        Raises:
            ApiError: 410, the *token* is too old.
            ProblemError: 422, *labels* is no selector, or *token* was not given out.
        """
        query = {"limit": str(limit), "labelSelector": labels, "continue": token}
        given = {name: value for name, value in query.items() if value}
        try:
            answer = await self._cluster.request("GET", collection(namespace), query=given)
        except ApiError as error:
            if token and error.status == 400:
                raise bad_cursor() from error
            if labels and error.status == 400:
                raise bad_selector(error) from error
            raise
        metadata = answer["metadata"]
        token, left = metadata.get("continue", ""), metadata.get("remainingItemCount", 0)
        return answer["items"], token, left

    async def get(self, schedule_id: str) -> JSON:
        """Return one schedule.

        Raises:
            ProblemError: 404, there is none.
        """
        return await self._request("GET", schedule_id)

    async def delete(self, schedule_id: str, expected: str | None, *, dry_run: bool) -> None:
        """Delete one schedule; its CronJob, Jobs and Pods follow.

        Args:
            schedule_id: which one.
            expected: the ETags of which it must have one (If-Match); None: any.
            dry_run: have the API server check it, and delete nothing.

        Raises:
            ProblemError: 404, there is none; 412, it has another ETag.
        """
        if expected is None:
            await self._request("DELETE", schedule_id, query=_kept(dry_run))
            return

        async def delete(resource: JSON) -> JSON:
            metadata = resource["metadata"]
            only = {name: metadata[name] for name in ("uid", "resourceVersion")}
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": only,
                "dryRun": ["All"] if dry_run else [],  # with a body, the query is not looked at
            }
            return await self._cluster.request("DELETE", _path(resource), options)

        await self._newest(schedule_id, expected, delete)

    async def change(
        self,
        access: Access,
        schedule_id: str,
        change: Callable[[JSON], JSON],
        expected: str | None,
        *,
        dry_run: bool,
    ) -> JSON:
        """Change a schedule; return it.

        Args:
            access: the caller's; what the schedule uses must be his to use.
            schedule_id: which one.
            change: makes the resource what it shall be.
            expected: the ETags of which it must have one (If-Match); None: any.
            dry_run: have the API server check it, and keep nothing.

        Raises:
            ProblemError: 404, there is none; 412, it has another ETag; 400 or 422, it cannot be;
                403, it would use what the caller may not.
        """

        async def put(resource: JSON) -> JSON:
            wanted = change(resource)
            used = to_be_granted(resource["spec"], wanted["spec"])
            await access.to_references(resource["metadata"]["namespace"], used)
            annotations = merge(wanted["metadata"].get("annotations"), marks())
            marked = {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}
            return await self._cluster.request("PUT", _path(resource), marked, _kept(dry_run))

        return await self._newest(schedule_id, expected, put)

    async def run(
        self, schedule_id: str, token: str, expected: str | None, *, dry_run: bool
    ) -> JSON:
        """Ask the operator for a run now; return the schedule.

        Args:
            schedule_id: which one.
            token: the same one again is the same run.
            expected: the ETags of which it must have one (If-Match); None: any.
            dry_run: have the API server check it, and ask for nothing.

        Raises:
            ProblemError: 404, there is none; 412, it has another ETag; 409, its concurrencyPolicy
                forbids another run now, or the operator has not taken up another request yet, which
                this one would replace.
        """

        async def ask(schedule: JSON) -> JSON:
            if is_asked_for(schedule, token):
                return schedule
            forbids = (
                schedule["spec"].get("concurrencyPolicy", "Forbid") == ConcurrencyPolicy.FORBID
            )
            if forbids and schedule.get("status", {}).get("active"):
                raise ProblemError(
                    409,
                    "run_active",
                    "A run is going and concurrency_policy is Forbid: wait for its end.",
                    {"Retry-After": "5"},
                )
            if is_waiting(schedule):
                raise ProblemError(
                    409,
                    "conflict",
                    "Another run is asked for and has not begun: try again in a moment.",
                    {"Retry-After": "1"},
                )
            annotations = {**marks(), RUN_REQUESTED_ANNOTATION: token}
            version = schedule["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "annotations": annotations}}
            return await self._cluster.request(
                "PATCH", _path(schedule), patch, _kept(dry_run), content_type=MERGE_PATCH
            )

        return await self._newest(schedule_id, expected, ask)

    async def create(
        self, access: Access, new: NewSchedule, namespace: str, key: str | None, *, dry_run: bool
    ) -> JSON:
        """Make a schedule, under a name not yet taken; with *dry_run*, only find out whether.

        Args:
            access: the caller's.
            new: what he wants.
            namespace: where.
            key: of his choice; the same one again is the same request.
            dry_run: have the API server check it, and keep nothing.

        Raises:
            ProblemError: 403, the caller may not, or not use what it uses; 400 or 422, it cannot
                be, or the key came with another request; 404, the namespace is not there.
        """
        await access.to_create(namespace)
        name = idempotency.name_of(access.caller.user, key) if key else slug(new.name)
        wanted = manifest(new, namespace, name)
        await access.to_references(namespace, to_be_granted(None, wanted["spec"]))
        digest = idempotency.digest_of(new)
        signed = {OWNER: access.caller.user, idempotency.REQUEST_DIGEST: digest if key else None}
        annotations = merge(wanted["metadata"]["annotations"], {**marks(), **signed})
        wanted["metadata"]["annotations"] = annotations
        wanted["metadata"]["labels"] = {OWNER: owner_label(access.caller.user)}
        for _ in range(NAME_ATTEMPTS):
            wanted["metadata"]["name"] = name
            try:
                path = collection(namespace)
                return await self._cluster.request("POST", path, wanted, _kept(dry_run))
            except ApiError as error:
                if error.status != 409 or error.reason != "AlreadyExists":
                    raise
            if not key:
                name = f"{slug(new.name)}-{secrets.token_hex(3)}"
            elif made := await self._made(namespace, name):
                idempotency.repeated(made, digest)
                return made
        raise ProblemError(409, "conflict", "name: too many schedules have it; choose another")

    async def _made(self, namespace: str, name: str) -> JSON | None:
        """Return a schedule that was there a moment ago; None: it is there no more."""
        try:
            return await self._cluster.request("GET", collection(namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise
        return None

    async def _newest(
        self, schedule_id: str, expected: str | None, act: Callable[[JSON], Awaitable[JSON]]
    ) -> JSON:
        """Have *act* done to a schedule as it is now, and again where it was not that any more."""
        for attempts_left in reversed(range(CHANGE_ATTEMPTS)):
            resource = await self.get(schedule_id)
            if not is_expected(resource, expected):
                break
            try:
                return await act(resource)
            except ApiError as error:
                if error.status == 404:  # deleted since it was read
                    raise no_schedule() from error
                if error.status != 409 or not attempts_left:
                    raise
        raise ProblemError(
            412,
            "precondition_failed",
            "The schedule has changed since: GET it again and repeat the change.",
        )

    async def _request(
        self,
        method: str,
        schedule_id: str,
        query: Mapping[str, str] | None = None,
    ) -> JSON:
        where = split_id(schedule_id)
        try:
            if where:
                return await self._cluster.request(method, collection(*where), query=query)
        except ApiError as error:
            if error.status != 404:
                raise
        raise no_schedule()


def bad_selector(error: ApiError) -> ProblemError:
    """Return the answer to a label selector that the API server does not read."""
    sentence = f"label_selector: write for example team=reports ({error})"
    return ProblemError(422, "validation_error", sentence)


def place(resource: JSON) -> str:
    """Return what the API server lists schedules in the order of."""
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


def owner_label(user: str) -> str:
    """Return the value of the label by which the schedules that a user made are found."""
    return hashlib.sha256(user.encode()).hexdigest()[:32]


def _path(resource: JSON) -> str:
    return collection(resource["metadata"]["namespace"], resource["metadata"]["name"])


def _kept(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def collection(namespace: str = "", name: str = "") -> str:
    """Return the API server's path of all schedules, of those of a namespace, or of one."""
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{place}/{PLURAL}" + (f"/{name}" if name else "")
