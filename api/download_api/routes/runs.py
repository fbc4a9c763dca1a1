"""The routes of single runs."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from aiohttp import StreamReader
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from download_api.auth.guard import needs
from download_api.openapi import document
from download_api.routes.dependencies import ScheduleId, Sender, Store, guarded_router
from download_api.schema import models, runs
from download_api.server.streams import Streams
from download_api.store.logs import Logs

TEXT: Final = "text/plain; charset=utf-8"

routes = guarded_router()


@routes.get(
    "/schedules/{schedule_id}/history/{execution_id}", responses=document.leading_to_run(200, 404)
)
@needs("get")
async def get_execution(
    schedule_id: ScheduleId, execution_id: str, schedules: Store
) -> models.Execution:
    """Return one run, by its id or by the name of its Job."""
    return runs.execution(schedule_id, runs.named(await schedules.get(schedule_id), execution_id))


@routes.get(
    "/schedules/{schedule_id}/history/{execution_id}/log",
    response_class=StreamingResponse,
    responses=document.text("What the attempt wrote, as UTF-8.", 403, 404),
)
@needs("get", "log")
async def get_log(
    schedule_id: ScheduleId,
    execution_id: str,
    request: Request,
    schedules: Store,
    sender: Sender,
    attempt: Annotated[
        int | None, Query(ge=1, le=100, description="Its number, from 1 on; left out: the last.")
    ] = None,
    tail: Annotated[
        int | None, Query(ge=0, le=100_000, description="Lines of the past; left out: all.")
    ] = None,
    follow: Annotated[bool, Query(description="Go on until the attempt ends.")] = False,
) -> Response:
    """Return the log of one attempt, as long as Kubernetes keeps its Pod."""
    schedule = await schedules.get(schedule_id)
    run = runs.named(schedule, execution_id)
    logs: Logs = request.app.state.logs
    streams: Streams = request.app.state.streams
    may = partial(sender.to_schedule, "get", "log", schedule_id)
    source = logs.open(schedule, run, attempt, tail, follow=follow)

    async def written(log: StreamReader) -> AsyncIterator[bytes]:
        async for chunk in streams.follow(log.readany, may):
            if chunk:
                yield chunk

    return await streams.answer(sender.caller.user, source, written, {"Content-Type": TEXT})
