"""Expressions that are refused although Kubernetes accepts them."""

from datetime import UTC, datetime

import pytest

from download_schedule.cron import MAX_LENGTH, CronError, parse

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    ["0 0 31 2 *", "0 0 30 2 ?", "0 0 31 2,4,6,9,11 *", "0 0 31 2 ,", "0 0 , 2 *", "0 0 , * ,"],
)
def test_expression_that_never_fires_is_refused(expression: str) -> None:
    with pytest.raises(CronError, match="never fire"):
        parse(expression)


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 31 2 5", "0 0 31 2,3 *", "0 0 1 * ,"])
def test_expression_that_fires_rarely_is_accepted(expression: str) -> None:
    assert parse(expression).next_tick(NEW_YEAR) is not None


def test_longest_expression_is_accepted() -> None:
    filler = "0," * ((MAX_LENGTH - len("0 * * * *")) // 2)
    longest = f"{filler}0 * * * *".ljust(MAX_LENGTH)
    assert len(longest) == MAX_LENGTH
    assert parse(longest).next_tick(NEW_YEAR) == parse("0 * * * *").next_tick(NEW_YEAR)


def test_longer_expression_is_refused() -> None:
    with pytest.raises(CronError, match="write at most 1024"):
        parse("0 * * * *".ljust(MAX_LENGTH + 1))
