"""The routes of runs: request one, the history, one run, its log."""

import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final, Literal

from aiohttp import StreamReader
from fastapi import Body, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BeforeValidator

from download_api.auth.guard import requires
from download_api.openapi import responses
from download_api.routes.dependencies import (
    Access,
    CursorText,
    DryRun,
    IfMatch,
    LogReader,
    Offset,
    RunRequests,
    ScheduleId,
    ScheduleStore,
    Streams,
    Trace,
    guarded_router,
)
from download_api.schema import models
from download_api.schema.cron import require_date_and_zone
from download_api.schema.idempotency import IdempotencyKey
from download_api.schema.paging import next_link, parse_position
from download_api.schema.runs import (
    RunFilter,
    cursor_after,
    find_run,
    page_start,
    to_execution,
    to_started,
)
from download_api.schema.ticks import list_ticks
from download_schedule.ledger import MAX_TICKS

TEXT: Final = "text/plain; charset=utf-8"
Time = Annotated[AwareDatetime, BeforeValidator(require_date_and_zone)]

routes = guarded_router()


@routes.post(
    "/schedules/{schedule_id}/run",
    status_code=202,
    responses=responses.accepted_run(400, 403, 404, 409, 412, 413),
)
@requires("create", "run")
async def run_schedule(
    schedule_id: ScheduleId,
    response: Response,
    run_requests: RunRequests,
    trace: Trace,
    body: Annotated[models.RunRequest | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> models.Started:
    """Request a run now, or the run of a tick that has passed.

    A run of a tick never starts beside another one of the same tick: it waits until that is over.
    A repetition with the same Idempotency-Key requests the same run.
    """
    token = idempotency_key or secrets.token_hex(8)
    tick = body.tick if body else None
    resource = await run_requests.submit(schedule_id, token, tick, if_match, trace, dry_run=dry_run)
    started = to_started(schedule_id, resource, token, dry_run=dry_run)
    if not dry_run:
        response.headers["Location"] = f"/schedules/{schedule_id}/history/{started.execution_id}"
    return started


@routes.get(
    "/schedules/{schedule_id}/history",
    responses=responses.page(404, links=responses.FIRST_RUN_LINKS),
)
@requires("get")
async def get_history(
    schedule_id: ScheduleId,
    request: Request,
    response: Response,
    schedules: ScheduleStore,
    limit: Annotated[
        int, Query(ge=1, le=100, description="Largest number of runs on a page.")
    ] = 20,
    offset: Offset = 0,
    cursor: CursorText = None,
    order: Annotated[
        Literal["asc", "desc"],
        Query(description="`desc`: newest run first; `asc`: oldest run first."),
    ] = "desc",
    status: Annotated[
        models.ExecutionStatus | None, Query(description="Only runs with this status.")
    ] = None,
    trigger: Annotated[
        Literal["schedule", "manual"] | None, Query(description="Only runs with this trigger.")
    ] = None,
    since: Annotated[
        Time | None, Query(description="Only runs that started at this time or later.")
    ] = None,
    until: Annotated[
        Time | None, Query(description="Only runs that started before this time.")
    ] = None,
) -> models.History:
    """List the runs of a schedule. A Link header leads to the next page."""
    position = parse_position(cursor, offset)
    resource = await schedules.get(schedule_id)
    run_filter = RunFilter(status, trigger, since, until)
    runs = list(filter(run_filter.matches, resource.get("status", {}).get("history", [])))
    ascending = order == "asc"
    if ascending:
        runs.reverse()
    start = page_start(runs, position, ascending=ascending) if position else offset
    page = runs[start : start + limit]
    if page and start + limit < len(runs):
        response.headers["Link"] = next_link(request, cursor_after(page[-1]))
    return models.History(
        executions=[to_execution(schedule_id, run) for run in page],
        total=len(runs),
        limit=limit,
        offset=start,
    )


@routes.get("/schedules/{schedule_id}/ticks", responses=responses.problems(404))
@requires("get")
async def get_ticks(
    schedule_id: ScheduleId,
    schedules: ScheduleStore,
    limit: Annotated[int, Query(ge=1, le=MAX_TICKS, description="Largest number of ticks.")] = 100,
    outcome: Annotated[
        models.TickOutcome | None, Query(description="Only ticks with this outcome.")
    ] = None,
    since: Annotated[Time | None, Query(description="Only ticks at this time or later.")] = None,
    until: Annotated[Time | None, Query(description="Only ticks before this time.")] = None,
) -> models.Ticks:
    """List what became of the latest ticks, at most 1,000, newest first."""
    resource = await schedules.get(schedule_id)
    return await run_in_threadpool(list_ticks, resource, since, until, outcome, limit)


@routes.get("/schedules/{schedule_id}/history/{execution_id}", responses=responses.run(404))
@requires("get")
async def get_execution(
    schedule_id: ScheduleId, execution_id: str, schedules: ScheduleStore
) -> models.Execution:
    """Get a run, by its id or by the name of its Job."""
    run = find_run(await schedules.get(schedule_id), execution_id)
    return to_execution(schedule_id, run)


@routes.get(
    "/schedules/{schedule_id}/history/{execution_id}/log",
    response_class=StreamingResponse,
    responses=responses.text("What the attempt wrote, in UTF-8.", 403, 404),
)
@requires("get", "log")
async def get_log(
    schedule_id: ScheduleId,
    execution_id: str,
    schedules: ScheduleStore,
    logs: LogReader,
    streams: Streams,
    access: Access,
    attempt: Annotated[
        int | None, Query(ge=1, le=100, description="Number of the attempt. Default: the last.")
    ] = None,
    tail: Annotated[
        int | None,
        Query(ge=0, le=100_000, description="Only so many of the existing lines. Default: all."),
    ] = None,
    follow: Annotated[bool, Query(description="Go on until the attempt ends.")] = False,
) -> Response:
    """Get the log of an attempt, as long as Kubernetes keeps its Pod."""
    schedule = await schedules.get(schedule_id)
    run = find_run(schedule, execution_id)
    metadata = schedule["metadata"]
    source = logs.open(metadata["namespace"], metadata["uid"], run, attempt, tail, follow=follow)
    check_access = partial(access.check_schedule, "get", "log", schedule_id)

    async def read(log: StreamReader) -> AsyncIterator[bytes]:
        async for chunk in streams.follow(log.readany, check_access):
            if chunk:
                yield chunk

    return await streams.respond(access.caller.user, source, read, {"Content-Type": TEXT})
