"""Cron expressions and times as callers write them. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from download_api.problems.problem import ProblemError
from download_api.schema.models import CronPreview, Exclude
from download_schedule import cron, model
from download_schedule.attempt.exclusion import Exclusion
from download_schedule.attempt.template import Times, encode_for_url, render
from download_schedule.cron import zones
from download_schedule.cron.croniter_comparison import croniter_warning
from download_schedule.validation import FROM_API_SERVER

_TIME_WITH_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\d.*([Zz]|[+-]\d\d:?\d\d)")

_NOTHING: Final = Exclude()

_NAMES: Final = {"namespace": "{namespace}", "name": "{name}"}
"""A preview belongs to no schedule, so these placeholders stay."""


def require_date_and_zone(time: str) -> str:
    """Return *time* if it has a date and a zone. pydantic would read a number as Unix time.

    Raises:
        ValueError: it lacks one of them.
    """
    if _TIME_WITH_ZONE.fullmatch(time):
        return time
    raise ValueError(
        "write a time as in RFC 3339, for example 2026-11-23T02:00:00Z; in a query, write + as %2B"
    )


def parse_expression(expression: str, time_zone: str, uid: str | None) -> cron.CronSchedule:
    """Return the parsed expression.

    Args:
        expression: as the caller wrote it.
        time_zone: IANA name.
        uid: UID of the schedule, which `H` is derived from; None does not allow `H`.

    Raises:
        ProblemError: 400, Kubernetes would not run the expression; 422, the zone is unknown.
    """
    if not expression.isascii():  # Kubernetes accepts some, the resource's rules none
        message = (
            "cron_expression: it contains a character that is not ASCII, perhaps a space copied "
            "from a web page; type it instead"
        )
        raise ProblemError(400, "invalid_cron_expression", message)
    try:
        return cron.parse(expression, time_zone, uid=uid)
    except cron.CronError as error:
        message = str(error).replace("timeZone", "time_zone")
        if message.startswith("time_zone: "):
            raise ProblemError(422, "validation_error", message) from None
        raise ProblemError(400, "invalid_cron_expression", f"cron_expression: {message}") from None


def preview(
    expression: str,
    time_zone: str,
    count: int,
    now: datetime,
    url: str | None = None,
    exclude: Exclude = _NOTHING,
) -> CronPreview:
    """Return what an expression means, and its next *count* ticks. This can take 0.2 s.

    Args:
        expression: as the caller wrote it.
        time_zone: IANA name.
        count: number of ticks.
        now: after which they lie.
        url: template of a URL, as the resource's rules admit it.
        exclude: days that are left out.

    Raises:
        ProblemError: see :func:`parse_expression`; its message also warns about croniter.
    """
    warning = croniter_warning(expression, time_zone, now) if expression.isascii() else None
    try:
        schedule = parse_expression(expression, time_zone, uid=None)
    except ProblemError as problem:
        message = f"{problem}; {warning}" if warning else str(problem)
        raise ProblemError(problem.status, problem.error_type, message) from None
    ticks: list[datetime] = []
    while len(ticks) < count and (tick := schedule.next_tick(ticks[-1] if ticks else now)):
        ticks.append(tick)
    return CronPreview(
        cron_expression=expression,
        time_zone=time_zone,
        description=schedule.describe(),
        next_run_times=ticks,
        urls=[_url_at(tick, url, schedule) for tick in ticks] if url else [],
        excluded=_reasons(exclude.read_in(time_zone), ticks),
        warnings=[warning] if warning else [],
    )


def _url_at(tick: datetime, url: str, schedule: cron.CronSchedule) -> str:
    @cache  # it can take milliseconds, and a URL has room for many placeholders
    def previous() -> datetime:
        before = schedule.previous_tick(tick)
        if before is None:
            raise ProblemError(422, "validation_error", "url: no tick is before the first one")
        return before

    times = Times(tick, previous, zones.load(schedule.time_zone))
    return render(url, times, _NAMES, encode_for_url)


def _reasons(exclusion: Exclusion | None, ticks: Sequence[datetime]) -> list[str | None]:
    return [cron.why_excluded(exclusion, tick) for tick in ticks] if exclusion else []


def next_run(spec: Mapping[str, Any], uid: str, now: datetime) -> datetime | None:
    """Return the next tick of a resource, or None if its expression cannot be read.

    Days that it leaves out are passed over, except those of its calendar, which is not known.
    """
    zone = spec.get("timeZone", "Etc/UTC")
    try:
        schedule = cron.parse(spec["schedule"], zone, uid=uid)
    except cron.CronError:
        return None
    written = spec.get("exclude") or {}
    if not any(written.values()):
        return schedule.next_tick(now)
    exclude = model.Exclude.model_validate(written, context=FROM_API_SERVER)
    return cron.next_included_tick(schedule, exclude.read_in(zone), now)
