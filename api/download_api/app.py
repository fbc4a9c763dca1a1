"""The routes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response

from download_api import problems, shapes, translate
from download_api.cluster import Cluster, ClusterError, UnreachableError
from download_api.keys import KeyFile
from download_api.problems import ProblemError
from download_api.schedules import Schedules
from download_api.settings import Settings


def build_app(settings: Settings, connect: Callable[[], Awaitable[Cluster]]) -> FastAPI:
    """Return the application.

    Args:
        settings: what whoever installs the API decides.
        connect: called once, when the server starts.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        cluster = await connect()
        app.state.schedules = Schedules(cluster)
        app.state.settings = settings
        app.state.key = KeyFile(settings.key_file) if settings.key_file else None
        yield
        await cluster.close()

    app = FastAPI(title="download-operator", version="1", lifespan=lifespan)
    problems.install(app)
    app.include_router(probes)
    app.include_router(routes)
    return app


def authenticate(
    request: Request,
    authorization: Annotated[str | None, Header()] = None,
    x_api_key: Annotated[str | None, Header()] = None,
) -> None:
    """Let nobody in without the key, if there is one."""
    key: KeyFile | None = request.app.state.key
    if key is not None and not key.matches(authorization, x_api_key):
        raise ProblemError(
            401,
            "unauthorized",
            "Send the API key as Authorization: Bearer KEY or as X-API-Key: KEY.",
            {"WWW-Authenticate": "Bearer"},
        )


def _schedules(request: Request) -> Schedules:
    found: Schedules = request.app.state.schedules
    return found


Store = Annotated[Schedules, Depends(_schedules)]

probes = APIRouter()
routes = APIRouter(dependencies=[Depends(authenticate)])


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


@routes.post("/schedules", status_code=201)
async def create_schedule(
    new: shapes.NewSchedule, request: Request, response: Response, schedules: Store
) -> shapes.Schedule:
    """Make a schedule."""
    settings: Settings = request.app.state.settings
    made = await schedules.create(new, new.namespace or settings.namespace)
    shown = translate.schedule(made, _now())
    response.headers["Location"] = f"/schedules/{shown.id}"
    return shown


@routes.get("/schedules")
async def list_schedules(schedules: Store) -> shapes.Schedules:
    """Return all schedules, oldest first."""
    now = _now()
    shown = [translate.schedule(resource, now) for resource in await schedules.all()]
    return shapes.Schedules(schedules=shown, total=len(shown))


@routes.get("/schedules/{schedule_id}")
async def get_schedule(schedule_id: str, schedules: Store) -> shapes.Schedule:
    """Return one schedule."""
    return translate.schedule(await schedules.get(schedule_id), _now())


@routes.delete("/schedules/{schedule_id}")
async def delete_schedule(schedule_id: str, schedules: Store) -> shapes.Deleted:
    """Delete a schedule, its history, and the run under way, if any."""
    await schedules.delete(schedule_id)
    return shapes.Deleted(success=True, message=f"Schedule {schedule_id} deleted")


@routes.get("/schedules/{schedule_id}/history")
async def get_history(
    schedule_id: str,
    schedules: Store,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> shapes.History:
    """Return a schedule's runs, newest first."""
    resource = await schedules.get(schedule_id)
    runs: list[dict[str, Any]] = resource.get("status", {}).get("history", [])
    shown = [translate.execution(schedule_id, run) for run in runs[offset : offset + limit]]
    return shapes.History(executions=shown, total=len(runs), limit=limit, offset=offset)


def _now() -> datetime:
    return datetime.now(UTC)
