"""What every module of routes starts from: the guarded router, dependencies, and parameters.

A dependency has the name of its class. The functions are coroutines, because FastAPI runs plain
functions in a thread.
"""

from datetime import UTC, datetime
from typing import Annotated, TypedDict, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from download_api import settings, tracing
from download_api.auth import access, capacity
from download_api.auth.guard import GuardedRoute, RequestGuard
from download_api.content import s3_links, volumes
from download_api.openapi import responses
from download_api.schema.models import NamespaceName
from download_api.server import streams
from download_api.server.connections import ConnectionTable
from download_api.server.protocol import LimitedHTTPProtocol
from download_api.store import logs, run_requests, schedules, watch


class AppState(TypedDict):
    """What exists once for the application. The lifespan adds it to the state of every request."""

    settings: settings.Settings
    guard: RequestGuard
    schedules: schedules.ScheduleStore
    run_requests: run_requests.RunRequests
    logs: logs.LogReader
    watcher: watch.ScheduleWatcher
    volumes: volumes.MountedVolumes
    s3_links: s3_links.S3Links
    streams: streams.Streams
    connections: ConnectionTable[LimitedHTTPProtocol]


class RequestState(AppState):
    """The state of a request: the server's protocol adds the connection, the middleware the trace,
    and the guard the access.
    """

    connection: capacity.Connection
    trace: tracing.Trace
    access: access.Access


def _state(request: Request) -> RequestState:
    """Return the state of a request. FastAPI does not support ``Request[RequestState]`` yet."""
    return cast("RequestState", request.state)


async def _settings(request: Request) -> settings.Settings:
    return _state(request)["settings"]


async def _schedules(request: Request) -> schedules.ScheduleStore:
    return _state(request)["schedules"]


async def _run_requests(request: Request) -> run_requests.RunRequests:
    return _state(request)["run_requests"]


async def _logs(request: Request) -> logs.LogReader:
    return _state(request)["logs"]


async def _watcher(request: Request) -> watch.ScheduleWatcher:
    return _state(request)["watcher"]


async def _volumes(request: Request) -> volumes.MountedVolumes:
    return _state(request)["volumes"]


async def _s3_links(request: Request) -> s3_links.S3Links:
    return _state(request)["s3_links"]


async def _streams(request: Request) -> streams.Streams:
    return _state(request)["streams"]


async def _trace(request: Request) -> tracing.Trace:
    return _state(request)["trace"]


async def _access(request: Request) -> access.Access:
    return _state(request)["access"]


Settings = Annotated[settings.Settings, Depends(_settings)]
ScheduleStore = Annotated[schedules.ScheduleStore, Depends(_schedules)]
RunRequests = Annotated[run_requests.RunRequests, Depends(_run_requests)]
LogReader = Annotated[logs.LogReader, Depends(_logs)]
ScheduleWatcher = Annotated[watch.ScheduleWatcher, Depends(_watcher)]
MountedVolumes = Annotated[volumes.MountedVolumes, Depends(_volumes)]
S3Links = Annotated[s3_links.S3Links, Depends(_s3_links)]
Streams = Annotated[streams.Streams, Depends(_streams)]
Trace = Annotated[tracing.Trace, Depends(_trace)]
Access = Annotated[access.Access, Depends(_access)]

ScheduleId = Annotated[
    str,
    Path(description="Namespace and name, joined by a dot.", examples=["team.daily-report"]),
]
IfMatch = Annotated[
    str | None,
    Header(description="Fail unless the schedule has one of these ETags; * stands for any."),
]
DryRun = Annotated[bool, Query(description="Check everything, but change nothing.")]
Namespace = Annotated[NamespaceName | None, Query(description="Only schedules in this namespace.")]
LabelSelector = Annotated[
    str,
    Query(
        max_length=1024,
        description="Only schedules whose labels match, in Kubernetes' syntax.",
        examples=["team=reports"],
        json_schema_extra={"format": "label-selector"},
    ),
]
CursorText = Annotated[
    str | None,
    Query(
        min_length=1,
        description="Where the page starts, taken from a Link header.",
        json_schema_extra={"format": "cursor"},
    ),
]
Offset = Annotated[
    int, Query(ge=0, le=2**31 - 1, description="Number of items to skip. A cursor is safer.")
]


def guarded_router() -> APIRouter:
    """Return a router whose routes must declare the permission that they require."""
    return APIRouter(
        route_class=GuardedRoute,
        responses=responses.problems(401, 422, 429, 503),
        dependencies=[  # only for openapi.json
            Depends(HTTPBearer(auto_error=False)),
            Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
        ],
    )


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)
