"""Whether an attempt has anything to do on the day of its tick."""

from datetime import UTC, datetime
from typing import Any

import pytest

from download_schedule.attempt.exclusion import MAX_CALENDAR_BYTES
from download_worker.errors import DownloadError, Reason, SkippedError
from download_worker.spec import Spec, read_spec
from tests.support.attempts import REQUEST, pod_environment

TICK_JOB = "nightly-29923320"  # 2026-11-23T02:00Z, a Monday
NOW = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
HOLIDAYS = {"calendar": "holidays"}


def read(
    exclude: dict[str, Any],
    dates: str | None = None,
    job: str = TICK_JOB,
    **task: Any,
) -> Spec:
    """Read the environment of a run; *dates* are those in the ConfigMap."""
    members = {"timeZone": "Etc/UTC", "dates": [], "weekdays": [], "monthDays": [], **exclude}
    variables = pod_environment(exclude=members, **task) | {"DOWNLOAD_JOB": job}
    if dates is not None:
        variables["DOWNLOAD_CALENDAR"] = dates
    return read_spec(variables, NOW)


@pytest.mark.parametrize(
    ("exclude", "dates", "reason"),
    [
        ({"dates": ["2026-11-23"]}, None, "2026-11-23 is in exclude.dates."),
        ({"weekdays": ["Mon"]}, None, "2026-11-23 is a Monday, and exclude.weekdays has Mon."),
        (
            {"monthDays": [23]},
            None,
            "2026-11-23 is day 23 of its month, and exclude.monthDays has 23.",
        ),
        (
            {"dates": ["2026-11-22"], "timeZone": "America/New_York"},
            None,
            "2026-11-22 is in exclude.dates.",
        ),
        (
            HOLIDAYS,
            "# ours\n2026-11-20/2026-11-23",
            "2026-11-23 is in the ConfigMap holidays, which exclude.calendarRef names.",
        ),
    ],
)
def test_run_of_a_day_that_is_left_out_is_skipped(
    exclude: dict[str, Any], dates: str | None, reason: str
) -> None:
    with pytest.raises(SkippedError) as skipped:
        read(exclude, dates)
    assert str(skipped.value) == reason


@pytest.mark.parametrize(
    ("exclude", "dates"),
    [
        ({"dates": ["2026-11-22", "2026-11-24"], "weekdays": ["Sun"], "monthDays": [-1, 22]}, None),
        ({"dates": ["2026-11-23"], "timeZone": "America/New_York"}, None),
        (HOLIDAYS, ""),
        (HOLIDAYS, "2026-11-22\n2026-11-24\n"),
    ],
)
def test_run_of_any_other_day_downloads(exclude: dict[str, Any], dates: str | None) -> None:
    assert read(exclude, dates).tick == datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.mark.parametrize("job", ["nightly-0c6fd1e9a2", "by-hand", "nightly-20261123"])
def test_run_that_no_tick_began_downloads_and_needs_no_calendar(job: str) -> None:
    spec = read({"dates": ["2026-11-23"], **HOLIDAYS}, job=job)
    assert spec.tick == NOW


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (
            None,
            "The key dates of the ConfigMap holidays does not exist; create it, or correct "
            "exclude.calendarRef.",
        ),
        (
            "2026-11-24\n24.12.2026",
            "The key dates of the ConfigMap holidays has a line that is neither a date nor a "
            "range, line 2; write for example 2026-12-25 or 2026-12-24/2027-01-06.",
        ),
        (
            "#" * (MAX_CALENDAR_BYTES + 1),
            "The key dates of the ConfigMap holidays has more than 65536 bytes; leave out what is "
            "over.",
        ),
    ],
)
def test_run_fails_if_its_calendar_cannot_be_read(dates: str | None, message: str) -> None:
    with pytest.raises(DownloadError) as refusal:
        read(HOLIDAYS, dates)
    assert (refusal.value.reason, str(refusal.value)) == (Reason.INVALID_CALENDAR, message)
    assert refusal.value.permanent


def test_day_that_the_schedule_names_itself_needs_no_calendar() -> None:
    with pytest.raises(SkippedError):
        read({"dates": ["2026-11-23"], **HOLIDAYS})


def test_day_is_judged_before_secrets_and_templates_are_looked_at() -> None:
    headers = [{"name": "Authorization", "variable": "DOWNLOAD_HEADER_0"}]
    with pytest.raises(SkippedError):
        read({"weekdays": ["Mon"]}, url="{", request={**REQUEST, "headers": headers})


@pytest.mark.parametrize(
    "exclude",
    [
        {"timeZone": "Mars/Olympus", "weekdays": ["Sun"]},
        {"monthDays": [32]},
        {"monthDays": ["1"]},
        {"dates": "2026-11-23"},
        {"years": [2026]},
    ],
)
def test_exclusion_that_is_not_the_operators_is_refused(exclude: dict[str, Any]) -> None:
    with pytest.raises(DownloadError, match="image of the operator's own version") as refusal:
        read(exclude)
    assert refusal.value.reason is Reason.INVALID_SPEC
