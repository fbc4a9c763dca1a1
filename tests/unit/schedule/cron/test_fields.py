"""The grammar of single fields: spellings, and the two day fields."""

from datetime import UTC, datetime

import pytest

from download_schedule.cron import parse
from download_schedule.cron.fields import split_into_runs

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("? ? ? ? ?", "* * * * *"),
        ("0 0 1 JAN-mar,Dec SUN", "0 0 1 1-3,12 0"),
        ("0 0 * * mon/2", "0 0 * * 1,3,5"),
        ("5/20 0 * * *", "5,25,45 0 * * *"),
        ("5-30/20 0 * * *", "5,25 0 * * *"),
        ("+5 00 001 * *", "5 0 1 * *"),
        (",5,, 0 * * *", "5 0 * * *"),
        ("*-anything 0 * * *", "* 0 * * *"),
        ("0\u00a00\u2003*\t*\n*", "0 0 * * *"),
        ("0 0 1 * fr\u0130", "0 0 1 * fri"),
        ("59/9223372036854775807 0 * * *", "59 0 * * *"),
        ("0 0 , * 5", "0 0 * * 5"),
    ],
)
def test_spelling_means_the_same_as_plain_one(spelling: str, plain: str) -> None:
    end = datetime(2090, 1, 1, tzinfo=UTC)
    ticks = parse(spelling).ticks_between(NEW_YEAR, end, 40)
    assert ticks == parse(plain).ticks_between(NEW_YEAR, end, 40) != []


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 13 * 5", [2, 9, 13, 16]),  # no star: either is enough
        ("0 0 13 * *", [13]),
        ("0 0 * * 5", [2, 9, 16, 23]),
        ("0 0 */1 * 5", [2, 9, 16, 23]),  # a step of 1 is a star
        ("0 0 */30 * 5", [2, 9, 16, 23, 30, 31]),  # a longer one is not; 1 January is the start
        ("0 0 *,13 * 5", [2, 9, 16, 23]),
        ("0 0 13,*/1 * ?", list(range(2, 32))),
    ],
)
def test_day_fields_are_combined_as_kubernetes_does(expression: str, days: list[int]) -> None:
    end = datetime(2026, 1, 31, 1, tzinfo=UTC)
    ticks = parse(expression).ticks_between(NEW_YEAR, end, 99)
    assert [tick.day for tick in ticks][: len(days)] == days


@pytest.mark.parametrize(
    ("values", "runs"), [([], []), ([3], [[3]]), ([0, 5, 6, 8], [[0], [5, 6], [8]])]
)
def test_values_are_split_into_runs_of_neighbours(values: list[int], runs: list[list[int]]) -> None:
    assert split_into_runs(values) == runs
