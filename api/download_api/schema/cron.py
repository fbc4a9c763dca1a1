"""Cron expressions and times as callers send them. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from download_api.problems import ProblemError
from download_api.schema.models import CronPreview
from download_schedule import cron
from download_schedule.cron.croniter_comparison import croniter_warning

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d.*([Zz]|[+-]\d\d:?\d\d)")


def spelled_out(moment: str) -> str:
    """Return *moment* if it has a date and a zone. pydantic alone would also accept a number.

    Raises:
        ValueError: it does not.
    """
    if _MOMENT.fullmatch(moment):
        return moment
    raise ValueError(
        "write a time as in RFC 3339, for example 2026-11-23T02:00:00Z; a + in an address is %2B"
    )


def parsed(expression: str, time_zone: str, uid: str | None) -> cron.CronSchedule:
    """Parse an expression; its `H` gets the value that belongs to *uid*.

    Raises:
        ProblemError: 400 if Kubernetes would not run it, 422 if there is no such time zone.
    """
    if not expression.isascii():  # Kubernetes accepts some of these, the resource's rules do not
        sentence = (
            "cron_expression: it has a character that is not ASCII, such as a space from a web "
            "page; type it again"
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
    """Describe an expression and list its next *count* ticks. This can take 0.2 s.

    Raises:
        ProblemError: see :func:`parsed`; a warning about croniter is appended to the sentence.
    """
    warning = croniter_warning(expression, time_zone, now) if expression.isascii() else None
    try:
        schedule = parsed(expression, time_zone, None)
    except ProblemError as problem:
        sentence = f"{problem}; {warning}" if warning else str(problem)
        raise ProblemError(problem.status, problem.kind, sentence) from None
    ticks: list[datetime] = []
    while len(ticks) < count and (tick := schedule.next_tick(ticks[-1] if ticks else now)):
        ticks.append(tick)
    return CronPreview(
        cron_expression=expression,
        time_zone=time_zone,
        description=schedule.describe(),
        next_run_times=ticks,
        warnings=[warning] if warning else [],
    )


def next_run(spec: Mapping[str, Any], uid: str, now: datetime) -> datetime | None:
    """Return the next tick of a resource's schedule, or None if it cannot be read."""
    try:
        schedule = cron.parse(spec["schedule"], spec.get("timeZone", "Etc/UTC"), uid=uid)
    except cron.CronError:
        return None
    return schedule.next_tick(now)
