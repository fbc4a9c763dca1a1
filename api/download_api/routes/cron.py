"""The route that explains a cron expression."""

import asyncio
from typing import Annotated, Final

from fastapi import Query

from download_api.auth.guard import requires
from download_api.openapi import responses
from download_api.routes.dependencies import guarded_router, now
from download_api.schema.cron import preview
from download_api.schema.models import (
    CronPreview,
    Exclude,
    ExcludedDate,
    ExcludedMonthDay,
    UrlTemplate,
)
from download_schedule.cron import MAX_LENGTH
from download_schedule.model import MAX_DATES, Weekday

routes = guarded_router()
_ONE_AT_A_TIME: Final = asyncio.Lock()
"""Previews take processor time: one thread at most competes with the event loop."""


@routes.get("/cron/preview", responses=responses.problems(400))
@requires(None)
async def preview_cron(
    expr: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_LENGTH,
            description="Cron expression of five fields.",
            json_schema_extra={"format": "cron"},
        ),
    ],
    tz: Annotated[
        str,
        Query(
            max_length=64,
            description="IANA name of the time zone.",
            json_schema_extra={"format": "time-zone"},
        ),
    ] = "Etc/UTC",
    count: Annotated[int, Query(ge=1, le=100, description="Number of ticks.")] = 5,
    url: Annotated[
        UrlTemplate | None, Query(description="Address with placeholders, to fill in.")
    ] = None,
    exclude_date: Annotated[
        tuple[ExcludedDate, ...],
        Query(max_length=MAX_DATES, description="Date or range that is left out; repeatable."),
    ] = (),
    exclude_weekday: Annotated[
        tuple[Weekday, ...],
        Query(max_length=6, description="Day of the week that is left out; repeatable."),
    ] = (),
    exclude_month_day: Annotated[
        tuple[ExcludedMonthDay, ...],
        Query(max_length=32, description="Day of the month, or -1 for the last; repeatable."),
    ] = (),
) -> CronPreview:
    """Explain an expression, list its next ticks, and warn where croniter reads it differently.

    The list contains ticks of days that are left out; `excluded` says which.

    `H` is not allowed, because its value depends on the schedule.
    """
    exclude = Exclude(dates=exclude_date, weekdays=exclude_weekday, month_days=exclude_month_day)
    async with _ONE_AT_A_TIME:
        return await asyncio.to_thread(preview, expr, tz, count, now(), url, exclude)
