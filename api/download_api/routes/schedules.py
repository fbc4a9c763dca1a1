"""The routes of schedules: list, create, get, change, delete."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Query, Request, Response

from download_api.auth.guard import requires
from download_api.openapi import responses
from download_api.routes.dependencies import (
    Access,
    CursorText,
    DryRun,
    IfMatch,
    LabelSelector,
    Namespace,
    Offset,
    ScheduleId,
    ScheduleStore,
    Settings,
    Trace,
    guarded_router,
    now,
)
from download_api.schema import models
from download_api.schema.etags import etag
from download_api.schema.from_resource import to_schedule
from download_api.schema.idempotency import IdempotencyKey
from download_api.schema.paging import next_link, parse_position
from download_api.schema.to_resource import (
    MERGE_PATCH,
    apply_patch,
    replace_fields,
    set_suspend,
)
from download_api.store import listing
from download_api.store.listing import ScheduleFilter
from download_api.store.schedule_lists import PAGE_SIZE
from download_api.store.schedules import OWNER, owner_label
from download_schedule.types import JSONObject

routes = guarded_router()


@routes.get("/schedules", responses=responses.page())
@requires("list")
async def list_schedules(
    request: Request,
    response: Response,
    schedules: ScheduleStore,
    access: Access,
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=PAGE_SIZE,
            description="Largest number of schedules on a page. Default: no pages.",
        ),
    ] = None,
    offset: Offset = 0,
    cursor: CursorText = None,
    namespace: Namespace = None,
    label_selector: LabelSelector = "",
    last_status: Annotated[
        models.ExecutionStatus | None,
        Query(description="Only schedules whose newest run has this status."),
    ] = None,
    enabled: Annotated[
        bool | None, Query(description="Only enabled schedules, or only disabled ones.")
    ] = None,
    owner: Annotated[
        Literal["me"] | None,
        Query(description="`me`: only schedules that the caller created with this API."),
    ] = None,
) -> models.Schedules:
    """List the schedules that the caller may list, sorted by namespace and name.

    With a limit, they come in pages: the Link header leads to the next one. A page also ends after
    16 MiB of resources, with or without a limit.
    """
    owned = f"{OWNER}={owner_label(access.caller.user)}" if owner else ""
    labels = ",".join(filter(None, (label_selector, owned)))
    schedule_filter = ScheduleFilter(namespace or "", labels, last_status, enabled)
    position = parse_position(cursor, offset)
    page = await listing.list_schedules(
        schedules.lists, access, schedule_filter, limit, offset, position
    )
    if page.next:
        response.headers["Link"] = next_link(request, page.next)
    time = now()
    return models.Schedules(
        schedules=[to_schedule(resource, time) for resource in page.resources], total=page.total
    )


@routes.post(
    "/schedules",
    status_code=201,
    responses=responses.created_schedule(400, 403, 404, 409, 413),
)
@requires("create")
async def create_schedule(
    new: models.NewSchedule,
    response: Response,
    schedules: ScheduleStore,
    access: Access,
    trace: Trace,
    settings: Settings,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> models.Schedule:
    """Create a schedule.

    A repetition with the same Idempotency-Key returns the same schedule.
    """
    namespace = new.namespace or settings.namespace
    resource = await schedules.create(
        new, namespace, idempotency_key, access, trace, dry_run=dry_run
    )
    if dry_run:
        return to_schedule(resource, now())
    schedule = _with_etag(resource, response)
    response.headers["Location"] = f"/schedules/{schedule.id}"
    return schedule


@routes.get("/schedules/{schedule_id}", responses=responses.schedule(404))
@requires("get")
async def get_schedule(
    schedule_id: ScheduleId, response: Response, schedules: ScheduleStore
) -> models.Schedule:
    """Get a schedule. Its ETag can be sent as If-Match of a change."""
    return _with_etag(await schedules.get(schedule_id), response)


@dataclass(frozen=True)
class Update:
    """The parameters of every route that changes a schedule."""

    schedule_id: ScheduleId
    response: Response
    schedules: ScheduleStore
    access: Access
    trace: Trace
    if_match: IfMatch = None
    dry_run: DryRun = False

    async def apply(self, edit: Callable[[JSONObject], JSONObject]) -> models.Schedule:
        """Change the schedule with *edit*; return it as it is then."""
        resource = await self.schedules.update(
            self.schedule_id, self.if_match, edit, self.access, self.trace, dry_run=self.dry_run
        )
        if self.dry_run:
            return to_schedule(resource, now())
        return _with_etag(resource, self.response)


@routes.patch(
    "/schedules/{schedule_id}", responses=responses.schedule(400, 403, 404, 409, 412, 413)
)
@requires("patch")
async def change_schedule(
    changes: Annotated[dict[str, Any], Body(media_type=MERGE_PATCH)],
    update: Annotated[Update, Depends()],
) -> models.Schedule:
    """Change the members that are sent (a merge patch, RFC 7396); null restores the default."""
    return await update.apply(partial(apply_patch, changes=changes))


@routes.put("/schedules/{schedule_id}", responses=responses.schedule(400, 403, 404, 409, 412, 413))
@requires("update")
async def replace_schedule(
    new: models.NewSchedule, update: Annotated[Update, Depends()]
) -> models.Schedule:
    """Replace every member of a schedule; those left out get their default."""
    return await update.apply(partial(replace_fields, new=new))


@routes.delete("/schedules/{schedule_id}", responses=responses.problems(403, 404, 409, 412))
@requires("delete")
async def delete_schedule(
    schedule_id: ScheduleId,
    schedules: ScheduleStore,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> models.Deleted:
    """Delete a schedule, its history, and its active runs."""
    await schedules.delete(schedule_id, if_match, dry_run=dry_run)
    outcome = "would be deleted" if dry_run else "deleted"
    return models.Deleted(success=True, message=f"Schedule {schedule_id} {outcome}")


@routes.post("/schedules/{schedule_id}/suspend", responses=responses.schedule(403, 404, 409, 412))
@requires("patch")
async def suspend_schedule(update: Annotated[Update, Depends()]) -> models.Schedule:
    """Start no new runs. Active runs go on. Does nothing if the schedule is suspended already."""
    return await update.apply(partial(set_suspend, suspend=True))


@routes.post("/schedules/{schedule_id}/resume", responses=responses.schedule(403, 404, 409, 412))
@requires("patch")
async def resume_schedule(update: Annotated[Update, Depends()]) -> models.Schedule:
    """Start runs again, at the next tick. Does nothing if the schedule is not suspended."""
    return await update.apply(partial(set_suspend, suspend=False))


def _with_etag(resource: JSONObject, response: Response) -> models.Schedule:
    response.headers["ETag"] = etag(resource)
    return to_schedule(resource, now())
