"""The application: everything it is made of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from socket import socket
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from download_api.auth.guard import RequestGuard
from download_api.content.s3_links import S3Links
from download_api.content.volumes import MountedVolumes
from download_api.openapi import document
from download_api.problems import handlers
from download_api.routes import content, cron, docs, events, runs, schedules
from download_api.routes.dependencies import AppState
from download_api.server.connections import ConnectionTable
from download_api.server.metrics import StateCollector
from download_api.server.middleware import RequestMiddleware
from download_api.server.monitoring import serve_monitoring
from download_api.server.readiness import Readiness
from download_api.server.request_metrics import RequestMetrics
from download_api.server.streams import Streams
from download_api.settings import Settings
from download_api.store.logs import LogReader
from download_api.store.run_requests import RunRequests
from download_api.store.schedules import ScheduleStore
from download_api.store.watch import ScheduleWatcher
from download_kube.client import KubeClient, Login

FIELD_MANAGER: Final = "download-operator-api"
"""Name under which the API server records the fields that we write."""
REQUEST_TIMEOUT_SECONDS: Final = 10.0
"""Short, because a person or a program is waiting for the response."""


def build_app(
    settings: Settings, login: Login, monitoring_listener: socket | None = None
) -> FastAPI:
    """Return the application.

    Args:
        settings: what the person who installs the API decides.
        login: called when the application starts, and once a minute afterwards.
        monitoring_listener: where to serve probes and metrics; None for nowhere.
    """
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[AppState]:
        client = KubeClient(login, FIELD_MANAGER, REQUEST_TIMEOUT_SECONDS)
        state = _build_state(settings, client)
        registry.register(StateCollector(client, state["streams"]))
        try:
            readiness = Readiness(state["schedules"].ping)
            async with serve_monitoring(monitoring_listener, registry, readiness):
                yield state
        finally:
            await client.close()

    app = FastAPI(
        title="download-operator",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # the middleware removes them
        openapi_url=None,  # the routes of `docs` show it, and need no CDN
        generate_unique_id_function=lambda route: route.name,
    )
    # The way to extend the document that FastAPI's documentation recommends.
    app.openapi = partial(document.describe, app)  # type: ignore[method-assign]
    app.add_middleware(RequestMiddleware, metrics=RequestMetrics(registry))
    handlers.install(app)
    for module in (schedules, cron, runs, content, events, docs):
        app.include_router(module.routes)
    return app


def _build_state(settings: Settings, client: KubeClient) -> AppState:
    store = ScheduleStore(client, settings.served)
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
