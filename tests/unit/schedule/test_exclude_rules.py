"""The rules on `exclude`, in Python. tests/integration/cron compares them with the API server's."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from download_schedule.attempt.exclusion import WEEKDAYS, Exclusion
from download_schedule.model import Exclude, Spec, Weekday
from tests.support.exclude_cases import ADMITTED, BY_SCHEMA, REFUSED


def spec(exclude: dict[str, Any], schedule: str = "0 2 * * *") -> Spec:
    return Spec.model_validate(
        {"url": "https://example.com/", "schedule": schedule, "exclude": exclude}
    )


@pytest.mark.parametrize("exclude", ADMITTED)
def test_days_that_exist_are_admitted(exclude: dict[str, Any]) -> None:
    spec(exclude)


@pytest.mark.parametrize(("exclude", "sentence"), REFUSED)
def test_anything_else_is_refused_with_what_to_write(
    exclude: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        spec(exclude)


@pytest.mark.parametrize("exclude", BY_SCHEMA)
def test_schema_refuses_what_is_out_of_bounds(exclude: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(exclude)


@given(st.text(min_size=10, max_size=10) | st.dates().map(str))
def test_rule_on_dates_admits_the_days_that_python_knows(text: str) -> None:
    try:
        is_day = date.fromisoformat(text).isoformat() == text and text.startswith("2")
    except ValueError:
        is_day = False
    try:
        Exclude(dates=(text,))
        is_admitted = True
    except ValidationError:
        is_admitted = False
    assert is_admitted is is_day


@given(st.dates(date(2000, 1, 1), date(2990, 1, 1)), st.integers(-500, 500))
def test_range_is_admitted_if_it_does_not_end_before_it_begins(first: date, days: int) -> None:
    text = f"{first}/{first + timedelta(days=days)}" if first.year > 2002 else f"{first}/{first}"
    try:
        Exclude(dates=(text,))
        is_admitted = True
    except ValidationError:
        is_admitted = False
    assert is_admitted is (text[:10] <= text[11:])


@pytest.mark.parametrize(
    ("schedule", "exclude"),
    [
        ("0 2 * * SAT", {"weekdays": ["Sat"]}),
        ("0 2 1,15 * *", {"monthDays": [1, 15]}),
        ("0 2 31 1 *", {"monthDays": [-1]}),
        ("0 2 29 2 *", {"monthDays": [-1]}),
        ("0 2 * * *", {"monthDays": list(range(1, 32))}),
        ("0 2 * * MON,TUE", {"weekdays": ["Mon", "Tue", "Sun"], "monthDays": [3]}),
    ],
)
def test_exclusion_of_every_tick_is_refused(schedule: str, exclude: dict[str, Any]) -> None:
    sentence = "exclude leaves out every tick of the schedule; write fewer weekdays"
    with pytest.raises(ValidationError, match=sentence):
        spec(exclude, schedule)


@pytest.mark.parametrize(
    ("schedule", "exclude"),
    [
        ("0 2 * * SAT", {"monthDays": list(range(1, 31))}),
        ("0 2 29 2 *", {"weekdays": ["Thu"]}),
        ("0 2 * * *", {"dates": ["2000-01-01/2999-12-31"]}),
    ],
)
def test_exclusion_of_most_ticks_or_of_dates_is_admitted(
    schedule: str, exclude: dict[str, Any]
) -> None:
    """Dates pass. Until then a condition says that no tick is left."""
    spec(exclude, schedule)


def test_exclusion_is_read_in_the_schedules_zone() -> None:
    exclude = Exclude.model_validate(
        {
            "dates": ["2026-12-25"],
            "weekdays": ["Sat"],
            "monthDays": [-1],
            "calendarRef": {"name": "holidays"},
        }
    )
    expected = Exclusion("Europe/Berlin", ("2026-12-25",), ("Sat",), (-1,), "holidays")
    assert exclude.read_in("Europe/Berlin") == expected
    assert Exclude().read_in("Europe/Berlin") is None
    assert tuple(Weekday) == WEEKDAYS
