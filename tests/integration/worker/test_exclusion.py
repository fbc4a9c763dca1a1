"""An attempt of a run whose day is left out."""

from typing import Any

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, Result
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, FaultServer, respond

HOLIDAYS: dict[str, Any] = {"calendar": "holidays"}


def days(**members: Any) -> dict[str, Any]:
    return {"timeZone": "Europe/Berlin", "dates": [], "weekdays": [], "monthDays": [], **members}


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        (days(dates=["2026-11-23"]), "2026-11-23 is in exclude.dates."),
        (
            days(**HOLIDAYS),
            "2026-11-23 is in the ConfigMap holidays, which exclude.calendarRef names.",
        ),
    ],
)
def test_attempt_asks_no_server_and_ends_at_once(
    pod: Pod, server: FaultServer, exclude: dict[str, Any], message: str
) -> None:
    url = server.on("/x", respond(200, BODY))
    attempt = pod.run(url, exclude=exclude, DOWNLOAD_CALENDAR="2026-11-23\n")

    assert attempt.code == EXIT_DONE
    assert attempt.result == Result(reason="Excluded", message=message)
    assert attempt.out == f"skipped: {message}\n"
    assert attempt.err == ""
    assert server.requests == []
    assert pod.files() == {}


def test_attempt_of_another_day_or_of_a_requested_run_downloads(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", respond(200, BODY))
    exclude = days(dates=["2026-11-24"], weekdays=["Sun"], **HOLIDAYS)
    assert pod.run(url, exclude=exclude, DOWNLOAD_CALENDAR="").code == EXIT_DONE

    requested = pod.run(url, exclude=days(weekdays=["Mon"]), DOWNLOAD_JOB="nightly-0c6fd1e9a2")
    assert requested.outcome == (EXIT_DONE, None)
    assert len(server.requests) == 2


@pytest.mark.parametrize("environment", [{}, {"DOWNLOAD_CALENDAR": "user: root, password: s3cret"}])
def test_attempt_fails_if_its_calendar_is_missing_or_malformed(
    pod: Pod, server: FaultServer, environment: dict[str, str]
) -> None:
    attempt = pod.run(server.origin + "/x", exclude=days(**HOLIDAYS), **environment)

    assert attempt.outcome == (EXIT_PERMANENT, "InvalidCalendar")
    assert "the ConfigMap holidays" in (attempt.result.message or "")
    assert "s3cret" not in attempt.out + str(attempt.result)
    assert server.requests == []
