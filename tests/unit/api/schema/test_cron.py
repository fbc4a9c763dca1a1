"""What an expression means to callers: ticks, warnings and refusals."""

from datetime import UTC, datetime

import pytest

from download_api.problems import ProblemError
from download_api.schema.cron import preview

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


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
