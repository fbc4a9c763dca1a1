"""The application: everything it is made of, and the two probes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from socket import socket
from typing import Final

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from download_api.auth.guard import RequestGuard
from download_api.content.s3_links import S3Links
from download_api.content.volumes import MountedVolumes
from download_api.openapi import document
from download_api.problems import handlers
from download_api.problems.problem import cluster_unavailable
from download_api.routes import content, cron, dependencies, events, runs, schedules
from download_api.routes.dependencies import AppState
from download_api.server.connections import ConnectionTable
from download_api.server.metrics import StateCollector, serve_metrics
from download_api.server.middleware import RequestMiddleware
from download_api.server.request_metrics import RequestMetrics
from download_api.server.streams import Streams
from download_api.settings import Settings
from download_api.store.logs import LogReader
from download_api.store.run_requests import RunRequests
from download_api.store.schedules import ScheduleStore
from download_api.store.watch import ScheduleWatcher
from download_kube.client import ApiError, KubeClient, Login, UnreachableError

FIELD_MANAGER: Final = "download-operator-api"
"""Name under which the API server records the fields that we write."""
REQUEST_TIMEOUT_SECONDS: Final = 10.0
"""Short, because a person or a program is waiting for the response."""


def build_app(settings: Settings, login: Login, metrics_listener: socket | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: what the person who installs the API decides.
        login: called when the application starts, and once a minute afterwards.
        metrics_listener: where to serve the metrics; None for nowhere.
    """
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[AppState]:
        client = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
        state = _build_state(settings, client)
        registry.register(StateCollector(client, state["streams"]))
        try:
            async with serve_metrics(metrics_listener, registry):
                yield state
        finally:
            await client.close()

    app = FastAPI(
        title="download-operator",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # the middleware removes them
        generate_unique_id_function=lambda route: route.name,
    )
    # The way to extend the document that FastAPI's documentation recommends.
    app.openapi = partial(document.describe, app)  # type: ignore[method-assign]
    app.add_middleware(RequestMiddleware, metrics=RequestMetrics(registry))
    handlers.install(app)
    app.include_router(probes)
    for module in (schedules, cron, runs, content, events):
        app.include_router(module.routes)
    return app


def _build_state(settings: Settings, client: KubeClient) -> AppState:
    store = ScheduleStore(client)
    return AppState(
        settings=settings,
        guard=RequestGuard.from_settings(settings, client),
        schedules=store,
        run_requests=RunRequests(client, store),
        logs=LogReader(client),
        watcher=ScheduleWatcher(client),
        volumes=MountedVolumes(settings.content_volumes),
        s3_links=S3Links(client),
        streams=Streams(),
        connections=ConnectionTable(),
    )


probes = APIRouter()


@probes.get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    """Report that the process responds."""
    return {"status": "ok"}


@probes.get("/readyz", include_in_schema=False)
async def readyz(schedules: dependencies.ScheduleStore) -> dict[str, str]:
    """Report whether the cluster responds, and knows the resource."""
    try:
        await schedules.ping()
    except (ApiError, UnreachableError) as error:
        raise cluster_unavailable(str(error)) from error
    return {"status": "ok"}
