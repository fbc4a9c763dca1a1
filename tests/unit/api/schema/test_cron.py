"""Cron expressions and times as callers write them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from download_api.problems.problem import ProblemError
from download_api.schema.cron import parse_expression, preview, require_date_and_zone
from download_api.schema.models import Exclude
from download_schedule.model import Weekday

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "time_zone", "status", "message"),
    [
        ("61 * * * *", "Etc/UTC", 400, "cron_expression: "),
        ("0\u00a02 * * *", "Etc/UTC", 400, "not ASCII, perhaps a space copied from a web page"),
        ("0 2 * * *", "Mars/Base", 422, "time_zone: "),
    ],
)
def test_wrong_expression_is_a_400_and_wrong_zone_a_422(
    expression: str, time_zone: str, status: int, message: str
) -> None:
    with pytest.raises(ProblemError) as refusal:
        parse_expression(expression, time_zone, uid=None)
    assert refusal.value.status == status
    assert message in str(refusal.value)


def test_preview_lists_the_next_ticks() -> None:
    response = preview("30 2 * * 1-5", "Europe/Paris", 3, NEW_YEAR)
    assert [f"{tick:%d %H:%M}" for tick in response.next_run_times] == [
        "01 01:30",
        "02 01:30",
        "05 01:30",
    ]
    assert response.description == "at 02:30 on Monday to Friday, Europe/Paris time"
    assert response.warnings == []


def test_preview_warns_where_croniter_reads_the_expression_differently() -> None:
    response = preview("0 0 */1 * 5", "Etc/UTC", 1, NEW_YEAR)
    assert response.warnings == [
        "croniter reads '0 0 */1 * 5' differently: croniter fires at 2026-01-03T00:00:00Z, "
        "Kubernetes does not; write '0 0 1-31 * 5' for croniter's times"
    ]


def test_preview_fills_in_the_url_of_each_tick() -> None:
    url = "https://h/{namespace}.{name}/{scheduled:%Y/%m/%d}?since={previous:%a %d}&{{}}"
    response = preview("30 2 * * 1-5", "Europe/Paris", 2, NEW_YEAR, url)
    assert response.urls == [
        "https://h/{namespace}.{name}/2026/01/01?since=Wed%2031&{}",
        "https://h/{namespace}.{name}/2026/01/02?since=Thu%2001&{}",
    ]
    assert preview("30 2 * * 1-5", "Europe/Paris", 2, NEW_YEAR).urls == []


def test_preview_says_which_ticks_are_left_out() -> None:
    exclude = Exclude(dates=("2026-01-01",), weekdays=(Weekday.SAT,))
    response = preview("30 0 * * *", "Europe/Paris", 3, NEW_YEAR, exclude=exclude)
    assert response.excluded == [
        None,
        "2026-01-03 is a Saturday, and exclude.weekdays has Sat.",
        None,
    ]
    early = preview("30 0 * * *", "Europe/Paris", 1, NEW_YEAR - timedelta(hours=2), exclude=exclude)
    assert early.excluded == ["2026-01-01 is in exclude.dates."]
    assert preview("30 2 * * *", "Europe/Paris", 3, NEW_YEAR).excluded == []


def test_preview_of_the_longest_url_takes_little_time() -> None:
    """It keeps other previews waiting."""
    url = "https://example.com/" + "{previous-999mo:%A}" * 106
    start = time.process_time()
    response = preview("0 0 29 2 *", "America/New_York", 100, NEW_YEAR, url)
    assert time.process_time() - start < 3
    assert len(response.urls) == len(response.next_run_times)


@pytest.mark.parametrize(
    ("expression", "time_zone", "status", "sentence"),
    [
        (
            "0 0 * * 7",
            "Etc/UTC",
            400,
            "cron_expression: day of week: '7' counts Sunday as 7; write 0 or sun for Sunday, here "
            "'0'; croniter accepts '0 0 * * 7'; write '0 0 * * 0' for croniter's times",
        ),
        (
            "60 * * * *",
            "Etc/UTC",
            400,
            "cron_expression: minute: '60' is outside the bounds; write 0-59",
        ),
        (
            "0 0 * * 7",
            "Mars/Olympus",
            422,
            "time_zone: 'Mars/Olympus' is not a known zone; write an IANA name such as "
            "Europe/Paris",
        ),
    ],
)
def test_refusal_says_what_to_write(
    expression: str, time_zone: str, status: int, sentence: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        preview(expression, time_zone, 1, NEW_YEAR)
    assert (refused.value.status, str(refused.value)) == (status, sentence)


@pytest.mark.parametrize("text", ["2026-11-23T02:00:00Z", "2026-11-23T02:00:00+02:00"])
def test_time_with_date_and_zone_is_accepted(text: str) -> None:
    assert require_date_and_zone(text) == text


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T02:00:00", "1763863200", "yesterday"])
def test_time_without_date_or_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a time as in RFC 3339"):
        require_date_and_zone(text)
