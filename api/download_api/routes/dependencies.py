"""What every route's module starts from: the guarded router, and what requests bring along."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from download_api.auth.access import Access
from download_api.auth.guard import GuardedRoute
from download_api.openapi import document
from download_api.schema.models import NamespaceName
from download_api.store.schedules import Schedules


def guarded_router() -> APIRouter:
    """Return a router for routes that declare what they need."""
    return APIRouter(
        route_class=GuardedRoute,
        responses=document.answers(401, 422, 429, 503),
        dependencies=[  # for openapi.json only
            Depends(HTTPBearer(auto_error=False)),
            Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
        ],
    )


async def _schedules(request: Request) -> Schedules:
    found: Schedules = request.app.state.schedules
    return found


async def _access(request: Request) -> Access:
    found: Access = request.state.access
    return found


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


Store = Annotated[Schedules, Depends(_schedules)]
Sender = Annotated[Access, Depends(_access)]
ScheduleId = Annotated[
    str, Path(description="Namespace and name, with a dot between", examples=["team.daily-report"])
]
DryRun = Annotated[
    bool, Query(description="Check everything, as for real, and leave everything as it is.")
]
Namespace = NamespaceName | None
LabelSelector = Annotated[
    str,
    Query(
        max_length=1024,
        examples=["team=reports"],
        json_schema_extra={"format": "label-selector"},
    ),
]
CursorText = Annotated[
    str | None,
    Query(
        min_length=1,
        description="Where the page starts: from a Link header.",
        json_schema_extra={"format": "cursor"},
    ),
]
