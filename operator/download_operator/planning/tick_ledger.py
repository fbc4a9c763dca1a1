"""Bring the ledger of ticks up to date, in a status that is written anyway. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from download_operator.cache.objects import Job
from download_operator.cache.snapshot import Snapshot
from download_operator.manifests.cron_job import DesiredState
from download_operator.planning.conditions import SUSPENDED
from download_operator.planning.missed_ticks import MAX_CLOCK_SKEW, Ticks
from download_schedule import cron
from download_schedule.history import counted
from download_schedule.ledger import Ledger, Outcome
from download_schedule.timestamps import format_time, parse_time
from download_schedule.types import JSONObject

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""No schedule is older, whatever somebody wrote into its status."""


class _Finding(NamedTuple):
    """What a run says about its tick. Of several, the one that sorts last is right."""

    start: str
    """When the run started (RFC 3339), or empty."""
    is_new: bool
    """Whether no status has said it before."""
    outcome: Outcome


def build_ledger(
    snapshot: Snapshot,
    desired: DesiredState | None,
    updated: Iterable[JSONObject],
    recorded: JSONObject,
    ticks: Ticks,
    now: datetime,
) -> JSONObject | None:
    """Return the new ``status.ticks``; None if there is nothing to say.

    Args:
        snapshot: what is known of the schedule.
        desired: what its CronJob carries out; None if it has none.
        updated: what :func:`download_schedule.history.updated_runs` returned.
        recorded: what :func:`download_schedule.history.record` returned.
        ticks: how the ticks since the last status were judged.
        now: the time, with a time zone.
    """
    stored = _read(snapshot, desired)
    if stored is None:
        return None
    ledger = stored.until(now + MAX_CLOCK_SKEW)
    start, end = _find_stretch(snapshot, desired, ledger, ticks)
    if start is None or end is None:
        return ledger.to_status()
    since = ledger.latest or start
    findings = _find_by_tick(snapshot, updated, recorded, since, now)
    outcomes = dict.fromkeys(ticks.excluded, Outcome.SKIPPED)
    outcomes |= dict.fromkeys(ticks.missed, Outcome.MISSED)
    outcomes |= {tick: finding.outcome for tick, finding in findings.items()}

    ledger = ledger.extended(start, end, _passed(snapshot), outcomes)
    # A run that has started shows that its tick has come, whatever the clock says.
    come = [tick for tick, finding in findings.items() if finding.start >= format_time(tick)]
    ledger = ledger.extended(end, max([end, *come]), Outcome.UNKNOWN, outcomes)
    earlier = [tick for tick, finding in findings.items() if finding.is_new and tick <= since]
    earlier += [tick for tick in ticks.missed if tick <= since]
    ledger = ledger.recorded({tick: outcomes[tick] for tick in earlier})

    active = {tick for tick, outcome in outcomes.items() if outcome is Outcome.RUNNING}
    if ledger.outcomes.count(Outcome.RUNNING) > len(active):
        ledger = ledger.settled(active)
    return ledger.to_status()


def _read(snapshot: Snapshot, desired: DesiredState | None) -> Ledger | None:
    """Return the stored ledger. Without a CronJob that we know, it goes on as it began."""
    status = snapshot.schedule.status
    if desired:
        return Ledger.read(status, desired.cron)
    members = status.get("ticks") or {}
    try:
        schedule = cron.parse(members.get("schedule", ""), members.get("timeZone", ""), uid="")
    except cron.CronError:  # there is none, or somebody wrote into it
        return None
    return Ledger.read(status, schedule)


def _find_stretch(
    snapshot: Snapshot, desired: DesiredState | None, ledger: Ledger, ticks: Ticks
) -> tuple[datetime | None, datetime | None]:
    """Return the bounds of the time whose ticks the status has said nothing about.

    Its end is the time up to which ticks are settled. Without a CronJob, none are.
    """
    if desired is None:
        return ledger.latest, ledger.latest
    status, end = snapshot.schedule.status, ticks.settled_until
    is_new = "ticks" in status or status.get("schedule") != desired.cron.expression
    if is_new and ledger.latest is None:
        return end, end  # a ledger begins with the edit that its expression comes from
    stored = parse_time(status.get("settledUntil", ""))
    return (max(min(stored, end), _EARLIEST) if stored and end else end), end


def _passed(snapshot: Snapshot) -> Outcome:
    """Return what became of ticks since the last status that had no run and are not missed."""
    conditions = snapshot.schedule.status.get("conditions", ())
    is_suspended = any(
        (condition["type"], condition["reason"]) == ("Ready", SUSPENDED.reason)
        for condition in conditions
    )
    return Outcome.SUSPENDED if is_suspended else Outcome.UNKNOWN


def _find_by_tick(
    snapshot: Snapshot,
    updated: Iterable[JSONObject],
    recorded: JSONObject,
    since: datetime,
    now: datetime,
) -> dict[datetime, _Finding]:
    """Return what the runs say about their ticks.

    Only those that say something new, are active, or are about a tick after *since*.
    """
    by_time: dict[str, _Finding] = {}
    for time, finding in _findings(snapshot, updated, recorded):
        by_time[time] = max(by_time.get(time, finding), finding)
    relevant = {
        time: finding
        for time, finding in by_time.items()
        if finding.is_new or finding.outcome is Outcome.RUNNING or time > format_time(since)
    }
    by_tick = ((parse_time(time), finding) for time, finding in relevant.items())
    latest = now + MAX_CLOCK_SKEW
    return {tick: finding for tick, finding in by_tick if tick and tick <= latest}


def _findings(
    snapshot: Snapshot, updated: Iterable[JSONObject], recorded: Mapping[str, Any]
) -> Iterator[tuple[str, _Finding]]:
    """Yield the tick of each run that has one, and what the run says about it."""
    new = {run["id"]: run for run in updated}
    entries = {run["id"]: run for run in recorded["history"]} | new
    for uid, run in entries.items():
        if time := run.get("scheduledTime"):
            outcome = Outcome.of_state(run["state"])
            yield time, _Finding(run.get("startTime") or "", uid in new, outcome)
    is_counted = counted(recorded)
    for run, _ in snapshot.runs:
        job = run.job
        if job.scheduled_time and job.uid not in entries:
            outcome = _outcome(job) if job.uid in is_counted else Outcome.RUNNING
            start = job.start_time or job.created
            yield job.scheduled_time, _Finding(start, is_new=False, outcome=outcome)


def _outcome(job: Job) -> Outcome:
    is_completed = job.outcome is not None and job.outcome.is_completed
    return Outcome.COMPLETED if is_completed else Outcome.FAILED
