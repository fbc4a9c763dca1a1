"""What every module of routes starts from: the guarded router, dependencies, and parameters.

The dependencies are coroutines, because FastAPI runs plain functions in a thread.
"""

from datetime import UTC, datetime
from typing import Annotated, TypedDict, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from download_api.auth.access import Access
from download_api.auth.guard import GuardedRoute, RequestGuard
from download_api.content.s3_links import S3Links
from download_api.content.volumes import MountedVolumes
from download_api.openapi import responses
from download_api.schema.models import NamespaceName
from download_api.server.streams import Streams
from download_api.settings import Settings
from download_api.store.logs import LogReader
from download_api.store.run_requests import RunRequests
from download_api.store.schedules import ScheduleStore
from download_api.store.watch import ScheduleWatcher
from download_api.tracing import Trace


class AppState(TypedDict):
    """What exists once for the application. The lifespan adds it to the state of every request."""

    settings: Settings
    guard: RequestGuard
    schedules: ScheduleStore
    run_requests: RunRequests
    logs: LogReader
    watcher: ScheduleWatcher
    volumes: MountedVolumes
    s3_links: S3Links
    streams: Streams


class RequestState(AppState):
    """The state of one request that reaches a route."""

    access: Access
    trace: Trace


def request_state(request: Request) -> RequestState:
    """Return the state of a request. FastAPI does not support ``Request[RequestState]`` yet."""
    return cast("RequestState", request.state)


async def _settings(request: Request) -> Settings:
    return request_state(request)["settings"]


async def _schedules(request: Request) -> ScheduleStore:
    return request_state(request)["schedules"]


async def _run_requests(request: Request) -> RunRequests:
    return request_state(request)["run_requests"]


async def _logs(request: Request) -> LogReader:
    return request_state(request)["logs"]


async def _watcher(request: Request) -> ScheduleWatcher:
    return request_state(request)["watcher"]


async def _volumes(request: Request) -> MountedVolumes:
    return request_state(request)["volumes"]


async def _s3_links(request: Request) -> S3Links:
    return request_state(request)["s3_links"]


async def _streams(request: Request) -> Streams:
    return request_state(request)["streams"]


async def _access(request: Request) -> Access:
    return request_state(request)["access"]


async def _trace(request: Request) -> Trace:
    return request_state(request)["trace"]


CurrentSettings = Annotated[Settings, Depends(_settings)]
Schedules = Annotated[ScheduleStore, Depends(_schedules)]
Runs = Annotated[RunRequests, Depends(_run_requests)]
Logs = Annotated[LogReader, Depends(_logs)]
Watcher = Annotated[ScheduleWatcher, Depends(_watcher)]
Volumes = Annotated[MountedVolumes, Depends(_volumes)]
Links = Annotated[S3Links, Depends(_s3_links)]
OpenStreams = Annotated[Streams, Depends(_streams)]
CurrentAccess = Annotated[Access, Depends(_access)]
CurrentTrace = Annotated[Trace, Depends(_trace)]

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
