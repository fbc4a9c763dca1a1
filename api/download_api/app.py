"""The application, and its probes; all other routes are in `routes`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from socket import socket
from typing import Final

from fastapi import APIRouter, FastAPI, Request

from download_api import problems
from download_api.auth.guard import Gate
from download_api.content.s3_links import Buckets
from download_api.content.volumes import Volumes
from download_api.openapi import document
from download_api.problems import ProblemError
from download_api.routes import content, cron, events, lists, runs
from download_api.routes import schedules as routes_schedules
from download_api.server import metrics as monitor
from download_api.server.middleware import Envelope
from download_api.server.request_metrics import Traffic
from download_api.server.streams import Streams
from download_api.settings import Settings
from download_api.store.logs import Logs
from download_api.store.schedules import Schedules
from download_api.store.watch import Feed
from download_kube.client import ApiError, KubeClient, Login, UnreachableError

FIELD_MANAGER: Final = "download-operator-api"
"""Name under which the API server records the fields that we write."""
REQUEST_TIMEOUT_SECONDS: Final = 10.0
"""Short, because a person or a program is waiting for the response."""


def build_app(settings: Settings, login: Login, metrics: socket | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: what whoever installs the API decides.
        login: called when the application starts, and once a minute afterwards.
        metrics: what listens for whoever asks for its numbers; None: nobody does.
    """

    traffic = Traffic()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        cluster = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
        app.state.schedules = Schedules(cluster)
        app.state.logs = Logs(cluster)
        app.state.buckets = Buckets(cluster)
        app.state.volumes = Volumes(settings.content_volumes)
        app.state.feed = Feed(cluster)
        app.state.streams = Streams()
        app.state.settings = settings
        app.state.gate = Gate.build(settings, cluster)
        try:
            async with monitor.serving(metrics, traffic, cluster, app.state.streams):
                yield
        finally:
            await cluster.close()

    app = FastAPI(
        title="download-operator",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # see the middleware
        generate_unique_id_function=lambda route: route.name,
    )
    # FastAPI's own way to extend the description.
    app.openapi = partial(document.describe, app)  # type: ignore[method-assign]
    app.add_middleware(Envelope, traffic=traffic)
    problems.install(app)
    app.include_router(probes)
    app.include_router(routes_schedules.routes)
    app.include_router(cron.routes)
    app.include_router(lists.routes)
    app.include_router(runs.routes)
    app.include_router(content.routes)
    app.include_router(events.routes)
    return app


probes = APIRouter()


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
    except (ApiError, UnreachableError) as error:
        raise ProblemError(503, "cluster_unavailable", str(error), {"Retry-After": "5"}) from error
    return {"status": "ok"}
