"""The route about cron expressions, which needs no schedule."""

import asyncio
from typing import Annotated, Final

from fastapi import Query

from download_api.auth.guard import needs
from download_api.openapi import document
from download_api.routes.dependencies import guarded_router, now
from download_api.schema import cron as expressions
from download_api.schema import models
from download_schedule import cron

routes = guarded_router()
_ONE_AT_A_TIME: Final = asyncio.Lock()
"""Previews take processor time: one thread at most competes with the event loop."""


@routes.get("/cron/preview", responses=document.answers(400))
@needs(None)
async def preview_cron(
    expr: Annotated[
        str, Query(min_length=1, max_length=cron.MAX_LENGTH, json_schema_extra={"format": "cron"})
    ],
    tz: Annotated[str, Query(max_length=64, json_schema_extra={"format": "time-zone"})] = "Etc/UTC",
    count: Annotated[int, Query(ge=1, le=100)] = 5,
) -> models.CronPreview:
    """Say what an expression means, when it fires next, and where croniter reads it differently.

    An expression with `H` is refused, because its value depends on the schedule.
    """
    async with _ONE_AT_A_TIME:
        return await asyncio.to_thread(expressions.preview, expr, tz, count, now())
