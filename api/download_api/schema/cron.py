"""Cron expressions and times as callers give them. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_api.problems import ProblemError
from download_api.schema.models import CronPreview
from download_schedule import cron

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d.*([Zz]|[+-]\d\d:?\d\d)")


def spelled_out(moment: str) -> str:
    """Return *moment* if it has a date and a zone; a number would be seconds since 1970.

    Raises:
        ValueError: it has not.
    """
    if _MOMENT.fullmatch(moment):
        return moment
    raise ValueError(
        "write a time as in RFC 3339, for example 2026-11-23T02:00:00Z; a + in an address is %2B"
    )


def parsed(expression: str, time_zone: str, uid: str | None) -> cron.Schedule:
    """Return what an expression means; *uid* is what `H` picks for.

    Raises:
        ProblemError: 400, Kubernetes would not run it; 422, there is no such time zone.
    """
    if not expression.isascii():  # Kubernetes reads some, but the resource's rules none
        sentence = (
            "cron_expression: it has a character that is not ASCII, such as a space of a web page; "
            "type it anew"
        )
        raise ProblemError(400, "invalid_cron_expression", sentence)
    try:
        return cron.parse(expression, time_zone, uid=uid)
    except cron.CronError as error:
        sentence = str(error).replace("timeZone", "time_zone")
        if sentence.startswith("time_zone: "):
            raise ProblemError(422, "validation_error", sentence) from None
        raise ProblemError(400, "invalid_cron_expression", f"cron_expression: {sentence}") from None


def preview(expression: str, time_zone: str, count: int, now: datetime) -> CronPreview:
    """Return what an expression means, and its next *count* times.

    Raises:
        ProblemError: see :func:`parsed`.
    """
    ticks = parsed(expression, time_zone, None)
    times: list[datetime] = []
    while len(times) < count and (tick := ticks.upcoming(times[-1] if times else now)):
        times.append(tick)
    return CronPreview(
        cron_expression=expression,
        time_zone=time_zone,
        description=ticks.describe(),
        next_run_times=times,
    )


def next_run(spec: Mapping[str, Any], uid: str, now: datetime) -> datetime | None:
    """Return when a resource's schedule fires next."""
    try:
        ticks = cron.parse(spec["schedule"], spec.get("timeZone", "Etc/UTC"), uid=uid)
    except cron.CronError:
        return None
    return ticks.upcoming(now)
