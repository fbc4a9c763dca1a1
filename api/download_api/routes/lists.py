"""The routes whose answers come in pages."""

from typing import Annotated, Literal

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator

from download_api.auth.guard import needs
from download_api.openapi import document
from download_api.routes.dependencies import (
    CursorText,
    LabelSelector,
    Namespace,
    ScheduleId,
    Sender,
    Store,
    guarded_router,
    now,
)
from download_api.schema import from_resource, models, runs
from download_api.schema.cron import spelled_out
from download_api.schema.paging import Cursor, next_link
from download_api.store import listing
from download_api.store.schedules import OWNER, PAGE, owner_label

routes = guarded_router()

Moment = Annotated[AwareDatetime, BeforeValidator(spelled_out)]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


@routes.get("/schedules", responses=document.paged())
@needs("list")
async def list_schedules(
    request: Request,
    response: Response,
    schedules: Store,
    sender: Sender,
    limit: Annotated[int | None, Query(ge=1, le=PAGE)] = None,
    offset: Offset = 0,
    cursor: CursorText = None,
    namespace: Namespace = None,
    label_selector: LabelSelector = "",
    last_status: models.ExecutionStatus | None = None,
    enabled: bool | None = None,
    owner: Annotated[Literal["me"] | None, Query(description="Those that I made here.")] = None,
) -> models.Schedules:
    """Return the schedules that the caller may list, in the order of namespaces and names.

    All of them, unless a limit is given; then a Link header leads to the next page.
    """
    mine = f"{OWNER}={owner_label(sender.caller.user)}" if owner else ""
    labels = ",".join(filter(None, (label_selector, mine)))
    wanted = listing.Wanted(namespace or "", labels, last_status, enabled)
    after = Cursor.decoded(cursor, offset)
    page = await listing.page(schedules, sender, wanted, limit, offset, after)
    if page.next:
        response.headers["Link"] = next_link(request, page.next)
    moment = now()
    shown = [from_resource.schedule(resource, moment) for resource in page.resources]
    return models.Schedules(schedules=shown, total=page.total)


@routes.get(
    "/schedules/{schedule_id}/history", responses=document.paged(404, links=document.FIRST_RUN)
)
@needs("get")
async def get_history(
    schedule_id: ScheduleId,
    request: Request,
    response: Response,
    schedules: Store,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Offset = 0,
    cursor: CursorText = None,
    order: Literal["asc", "desc"] = "desc",
    status: models.ExecutionStatus | None = None,
    trigger: Literal["schedule", "manual"] | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> models.History:
    """Return a schedule's runs, newest first: those that started from *since* to before *until*.

    A Link header leads to the next page.
    """
    after = Cursor.decoded(cursor, offset)
    resource = await schedules.get(schedule_id)
    wanted = runs.Wanted(status, trigger, since, until)
    found = [run for run in resource.get("status", {}).get("history", []) if wanted.includes(run)]
    if order == "asc":
        found.reverse()
    start = runs.position(found, after, ascending=order == "asc") if after else offset
    shown = found[start : start + limit]
    if shown and start + limit < len(found):
        response.headers["Link"] = next_link(request, runs.cursor_after(shown[-1]))
    return models.History(
        executions=[runs.execution(schedule_id, run) for run in shown],
        total=len(found),
        limit=limit,
        offset=start,
    )
