"""The routes of one schedule."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Body, Depends, Header, Request, Response

from download_api.auth.guard import needs
from download_api.openapi import document
from download_api.routes.dependencies import DryRun, ScheduleId, Sender, Store, guarded_router, now
from download_api.schema import from_resource, models, runs
from download_api.schema.idempotency import IdempotencyKey
from download_api.schema.to_resource import MERGE_PATCH, patched, replaced, suspended
from download_api.settings import Settings

JSON = dict[str, Any]
IfMatch = Annotated[
    str | None, Header(description="ETags, of which the schedule must have one; * or none: any.")
]

routes = guarded_router()


@dataclass(frozen=True)
class Edit:
    """What a change brings along beside its body, if it has one."""

    schedule_id: ScheduleId
    response: Response
    schedules: Store
    sender: Sender
    if_match: IfMatch = None
    dry_run: DryRun = False

    async def carry_out(self, change: Callable[[JSON], JSON]) -> models.Schedule:
        """Have *change* make the schedule what it shall be; return it."""
        made = await self.schedules.change(
            self.sender, self.schedule_id, change, self.if_match, dry_run=self.dry_run
        )
        return from_resource.schedule(made, now()) if self.dry_run else _tagged(made, self.response)


@routes.post(
    "/schedules", status_code=201, responses=document.leading_on(201, 400, 403, 404, 409, 413)
)
@needs("create")
async def create_schedule(
    new: models.NewSchedule,
    request: Request,
    response: Response,
    schedules: Store,
    sender: Sender,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> models.Schedule:
    """Make a schedule; with the same Idempotency-Key again, it is the same one."""
    settings: Settings = request.app.state.settings
    namespace = new.namespace or settings.namespace
    made = await schedules.create(sender, new, namespace, idempotency_key, dry_run=dry_run)
    if dry_run:
        return from_resource.schedule(made, now())
    shown = _tagged(made, response)
    response.headers["Location"] = f"/schedules/{shown.id}"
    return shown


@routes.get("/schedules/{schedule_id}", responses=document.tagged(404))
@needs("get")
async def get_schedule(
    schedule_id: ScheduleId, response: Response, schedules: Store
) -> models.Schedule:
    """Return one schedule; its ETag goes into If-Match of a change."""
    return _tagged(await schedules.get(schedule_id), response)


@routes.patch("/schedules/{schedule_id}", responses=document.tagged(400, 403, 404, 409, 412, 413))
@needs("patch")
async def change_schedule(
    changes: Annotated[JSON, Body(media_type=MERGE_PATCH)],
    edit: Annotated[Edit, Depends()],
) -> models.Schedule:
    """Change the members sent, as of a new schedule; null is the default (RFC 7396)."""
    return await edit.carry_out(partial(patched, changes=changes))


@routes.put("/schedules/{schedule_id}", responses=document.tagged(400, 403, 404, 409, 412, 413))
@needs("update")
async def replace_schedule(
    new: models.NewSchedule, edit: Annotated[Edit, Depends()]
) -> models.Schedule:
    """Change every member that a new schedule has; those left out get their default."""
    return await edit.carry_out(partial(replaced, new=new))


@routes.delete("/schedules/{schedule_id}", responses=document.answers(403, 404, 409, 412))
@needs("delete")
async def delete_schedule(
    schedule_id: ScheduleId,
    schedules: Store,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> models.Deleted:
    """Delete a schedule, its history, and the run under way, if any."""
    await schedules.delete(schedule_id, if_match, dry_run=dry_run)
    done = "would be deleted" if dry_run else "deleted"
    return models.Deleted(success=True, message=f"Schedule {schedule_id} {done}")


@routes.post("/schedules/{schedule_id}/suspend", responses=document.tagged(403, 404, 409, 412))
@needs("patch")
async def suspend_schedule(edit: Annotated[Edit, Depends()]) -> models.Schedule:
    """Start no new runs; the one under way goes on. Said twice, it is the same."""
    return await edit.carry_out(partial(suspended, suspend=True))


@routes.post("/schedules/{schedule_id}/resume", responses=document.tagged(403, 404, 409, 412))
@needs("patch")
async def resume_schedule(edit: Annotated[Edit, Depends()]) -> models.Schedule:
    """Start runs again, from the next tick on. Said twice, it is the same."""
    return await edit.carry_out(partial(suspended, suspend=False))


@routes.post(
    "/schedules/{schedule_id}/run",
    status_code=202,
    responses=document.leading_to_run(202, 403, 404, 409, 412),
)
@needs("create", "run")
async def run_schedule(
    schedule_id: ScheduleId,
    response: Response,
    schedules: Store,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> models.Started:
    """Ask for a run now; with the same Idempotency-Key again, for the same one."""
    token = idempotency_key or secrets.token_hex(8)
    resource = await schedules.run(schedule_id, token, if_match, dry_run=dry_run)
    started = runs.started(schedule_id, resource, token, dry_run=dry_run)
    if not dry_run:
        response.headers["Location"] = f"/schedules/{schedule_id}/history/{started.execution_id}"
    return started


def _tagged(resource: JSON, response: Response) -> models.Schedule:
    response.headers["ETag"] = from_resource.etag(resource)
    return from_resource.schedule(resource, now())
