"""The latest ticks of a schedule as callers see them, and requests for a run of one. Pure."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from download_api.problems.problem import ProblemError
from download_api.schema.models import Tick, Ticks
from download_schedule import cron
from download_schedule.ledger import Ledger
from download_schedule.requested_tick import parse_requested_tick
from download_schedule.timestamps import format_time


def list_ticks(
    resource: Mapping[str, Any],
    since: datetime | None,
    until: datetime | None,
    outcome: str | None,
    limit: int,
) -> Ticks:
    """Return the ticks that the schedule's ledger knows, newest first. This can take 0.2 s.

    Args:
        resource: the schedule.
        since: only ticks at this time or later.
        until: only ticks before this time.
        outcome: only ticks with this outcome.
        limit: how many of them.
    """
    try:
        ledger = Ledger.read(resource.get("status", {}), _parse_cron(resource))
    except cron.CronError:  # stored before a rule
        return Ticks(ticks=[])
    pairs = ((tick, letter.name.lower()) for tick, letter in ledger.between(since))
    chosen = (
        (tick, name)
        for tick, name in pairs
        if (until is None or tick < until) and outcome in (None, name)
    )
    return Ticks(
        ticks=[
            Tick.model_validate({"tick": tick, "outcome": name})
            for tick, name in islice(chosen, limit)
        ]
    )


def read_requested_tick(resource: Mapping[str, Any], text: str | None, now: datetime) -> str | None:
    """Return the tick that a run is requested for, as the resource's annotation has it.

    Raises:
        ProblemError: 422, the schedule does not fire at that time, or the time is in the future.
    """
    if text is None:
        return None
    try:
        return format_time(parse_requested_tick(text, _parse_cron(resource), now))
    except cron.CronError as error:
        raise ProblemError(400, "invalid_cron_expression", f"cron_expression: {error}") from None
    except ValueError as error:
        raise ProblemError(422, "validation_error", f"tick: {error}") from None


def _parse_cron(resource: Mapping[str, Any]) -> cron.CronSchedule:
    spec, uid = resource["spec"], resource["metadata"]["uid"]
    return cron.parse(spec["schedule"], spec.get("timeZone", "Etc/UTC"), uid=uid)
