"""Dates in HTTP headers."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.http.dates import parse_date

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
"""As in RFC 9110, 5.6.7."""


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 6 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        " Sun, 06 Nov 1994 08:49:37 +0000 ",
    ],
)
def test_every_format_is_read(text: str) -> None:
    assert parse_date(text) == MOMENT


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Friday, 01-Jan-70 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
        ("Friday, 01-Jan-69 00:00:00 GMT", datetime(2069, 1, 1, tzinfo=UTC)),
        ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_short_years_and_leap_seconds_are_read(text: str, moment: datetime) -> None:
    assert parse_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "now",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 1994",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_date_is_read_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert parse_date(format_datetime(moment, usegmt=True)) == moment
