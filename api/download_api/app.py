"""The application, and the routes that have no module of their own (``routes_*``)."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Header, Query, Request, Response

from download_api import (
    expressions,
    monitor,
    openapi,
    problems,
    routes_content,
    routes_events,
    routes_lists,
    routes_runs,
    runs,
    shapes,
    translate,
)
from download_api.buckets import Buckets
from download_api.changes import MERGE_PATCH, patched, replaced
from download_api.cluster import Cluster, ClusterError, UnreachableError
from download_api.context import DryRun, ScheduleId, Sender, Store, guarded_router, now
from download_api.feed import Feed
from download_api.guard import Gate, needs
from download_api.idempotency import IdempotencyKey
from download_api.logs import Logs
from download_api.middleware import Envelope
from download_api.problems import ProblemError
from download_api.schedules import Schedules
from download_api.settings import Settings
from download_api.streams import Streams
from download_api.traffic import Traffic
from download_api.volumes import Volumes
from download_schedule import cron


def build_app(settings: Settings, connect: Callable[[], Awaitable[Cluster]]) -> FastAPI:
    """Return the application.

    Args:
        settings: what whoever installs the API decides.
        connect: called once, when the server starts.
    """

    traffic = Traffic()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        cluster = await connect()
        app.state.schedules = Schedules(cluster)
        app.state.logs = Logs(cluster)
        app.state.buckets = Buckets(cluster)
        app.state.volumes = Volumes(settings.content_volumes)
        app.state.feed = Feed(cluster)
        app.state.streams = Streams()
        app.state.settings = settings
        app.state.gate = Gate.build(settings, cluster)
        place = settings.bind, settings.metrics_port
        async with monitor.serving(*place, traffic, cluster, app.state.streams):
            yield
        await cluster.close()

    app = FastAPI(
        title="download-operator",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # see the middleware
        generate_unique_id_function=lambda route: route.name,
    )
    # FastAPI's own way to extend the description.
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    app.add_middleware(Envelope, traffic=traffic)
    problems.install(app)
    app.include_router(probes)
    app.include_router(routes)
    app.include_router(routes_lists.routes)
    app.include_router(routes_runs.routes)
    app.include_router(routes_content.routes)
    app.include_router(routes_events.routes)
    return app


IfMatch = Annotated[
    str | None, Header(description="ETags, of which the schedule must have one; * or none: any.")
]

probes = APIRouter()
routes = guarded_router()


@probes.get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok"}


@probes.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> dict[str, str]:
    """Tell whether requests can be served: the cluster answers, and knows the resource."""
    schedules: Schedules = request.app.state.schedules
    try:
        await schedules.check()
    except (ClusterError, UnreachableError) as error:
        raise ProblemError(503, "cluster_unavailable", str(error), {"Retry-After": "5"}) from error
    return {"status": "ok"}


@routes.post(
    "/schedules", status_code=201, responses=openapi.leading_on(201, 400, 403, 404, 409, 413)
)
@needs("create")
async def create_schedule(
    new: shapes.NewSchedule,
    request: Request,
    response: Response,
    schedules: Store,
    sender: Sender,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> shapes.Schedule:
    """Make a schedule; with the same Idempotency-Key again, it is the same one."""
    settings: Settings = request.app.state.settings
    namespace = new.namespace or settings.namespace
    made = await schedules.create(sender, new, namespace, idempotency_key, dry_run=dry_run)
    if dry_run:
        return translate.schedule(made, now())
    shown = _tagged(made, response)
    response.headers["Location"] = f"/schedules/{shown.id}"
    return shown


@routes.get("/schedules/{schedule_id}", responses=openapi.tagged(404))
@needs("get")
async def get_schedule(
    schedule_id: ScheduleId, response: Response, schedules: Store
) -> shapes.Schedule:
    """Return one schedule; its ETag goes into If-Match of a change."""
    return _tagged(await schedules.get(schedule_id), response)


@routes.patch("/schedules/{schedule_id}", responses=openapi.tagged(400, 403, 404, 409, 412, 413))
@needs("patch")
async def change_schedule(
    schedule_id: ScheduleId,
    changes: Annotated[dict[str, Any], Body(media_type=MERGE_PATCH)],
    response: Response,
    schedules: Store,
    sender: Sender,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> shapes.Schedule:
    """Change the members sent, as of a new schedule; null is the default (RFC 7396)."""
    change = partial(patched, changes=changes)
    made = await schedules.change(sender, schedule_id, change, if_match, dry_run=dry_run)
    return translate.schedule(made, now()) if dry_run else _tagged(made, response)


@routes.put("/schedules/{schedule_id}", responses=openapi.tagged(400, 403, 404, 409, 412, 413))
@needs("update")
async def replace_schedule(
    schedule_id: ScheduleId,
    new: shapes.NewSchedule,
    response: Response,
    schedules: Store,
    sender: Sender,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> shapes.Schedule:
    """Change every member that a new schedule has; those left out get their default."""
    change = partial(replaced, new=new)
    made = await schedules.change(sender, schedule_id, change, if_match, dry_run=dry_run)
    return translate.schedule(made, now()) if dry_run else _tagged(made, response)


@routes.delete("/schedules/{schedule_id}", responses=openapi.answers(403, 404, 409, 412))
@needs("delete")
async def delete_schedule(
    schedule_id: ScheduleId,
    schedules: Store,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> shapes.Deleted:
    """Delete a schedule, its history, and the run under way, if any."""
    await schedules.delete(schedule_id, if_match, dry_run=dry_run)
    done = "would be deleted" if dry_run else "deleted"
    return shapes.Deleted(success=True, message=f"Schedule {schedule_id} {done}")


@routes.post("/schedules/{schedule_id}/suspend", responses=openapi.answers(403, 404, 409))
@needs("patch")
async def suspend_schedule(schedule_id: ScheduleId, schedules: Store) -> shapes.Schedule:
    """Start no new runs; the one under way goes on. Said twice, it is the same."""
    return translate.schedule(await schedules.suspend(schedule_id, True), now())


@routes.post("/schedules/{schedule_id}/resume", responses=openapi.answers(403, 404, 409))
@needs("patch")
async def resume_schedule(schedule_id: ScheduleId, schedules: Store) -> shapes.Schedule:
    """Start runs again, from the next tick on. Said twice, it is the same."""
    return translate.schedule(await schedules.suspend(schedule_id, False), now())


@routes.post(
    "/schedules/{schedule_id}/run",
    status_code=202,
    responses=openapi.leading_to_run(202, 403, 404, 409),
)
@needs("create", "run")
async def run_schedule(
    schedule_id: ScheduleId,
    response: Response,
    schedules: Store,
    idempotency_key: IdempotencyKey = None,
) -> shapes.Started:
    """Ask for a run now; with the same Idempotency-Key again, for the same one."""
    token = idempotency_key or secrets.token_hex(8)
    started = runs.started(schedule_id, await schedules.run(schedule_id, token), token)
    response.headers["Location"] = f"/schedules/{schedule_id}/history/{started.execution_id}"
    return started


@routes.get("/cron/preview", responses=openapi.answers(400))
@needs(None)
async def preview_cron(
    expr: Annotated[
        str, Query(min_length=1, max_length=cron.MAX_LENGTH, json_schema_extra={"format": "cron"})
    ],
    tz: Annotated[str, Query(max_length=64, json_schema_extra={"format": "time-zone"})] = "Etc/UTC",
    count: Annotated[int, Query(ge=1, le=100)] = 5,
) -> shapes.CronPreview:
    """Say what an expression means and when it fires next; `H` needs a schedule to pick for."""
    return expressions.preview(expr, tz, count, now())


def _tagged(resource: dict[str, Any], response: Response) -> shapes.Schedule:
    response.headers["ETag"] = translate.etag(resource)
    return translate.schedule(resource, now())
