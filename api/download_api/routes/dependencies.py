"""What every module of routes starts from: the guarded router, dependencies, and parameters.

A dependency has the name of its class. The functions are coroutines, because FastAPI runs plain
functions in a thread.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

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


def _member(name: str) -> Any:
    """Return the dependency on a member of :class:`RequestState`.

    Raises:
        ValueError: there is no such member.
    """
    if name not in RequestState.__annotations__:
        raise ValueError(f"{name!r} is not in the state of a request")

    async def get(request: Request) -> Any:
        return request.state[name]

    return Depends(get)


Settings = Annotated[settings.Settings, _member("settings")]
ScheduleStore = Annotated[schedules.ScheduleStore, _member("schedules")]
RunRequests = Annotated[run_requests.RunRequests, _member("run_requests")]
LogReader = Annotated[logs.LogReader, _member("logs")]
ScheduleWatcher = Annotated[watch.ScheduleWatcher, _member("watcher")]
MountedVolumes = Annotated[volumes.MountedVolumes, _member("volumes")]
S3Links = Annotated[s3_links.S3Links, _member("s3_links")]
Streams = Annotated[streams.Streams, _member("streams")]
Trace = Annotated[tracing.Trace, _member("trace")]
Access = Annotated[access.Access, _member("access")]

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
