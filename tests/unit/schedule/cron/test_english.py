"""Descriptions in plain English, word by word."""

import random

import pytest

from download_schedule.cron import CronError, parse
from tests.support.cron_cases import expression


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("* * * * *", "every minute every day"),
        ("*/5 * * * *", "every 5 minutes every day"),
        ("0,15,30,45 * * * *", "every 15 minutes every day"),
        ("25/25 * * * *", "at 25 and 50 minutes past every hour every day"),
        ("0 * * * *", "at the start of every hour every day"),
        ("1 * * * *", "at 1 minute past every hour every day"),
        ("0 2 * * *", "at 02:00 every day"),
        ("0,30 2 * * *", "at 02:00 and 02:30 every day"),
        ("5 8,20 * * *", "at 08:05 and 20:05 every day"),
        ("0 */2 * * *", "every 2 hours every day"),
        ("0 9-17 * * 1-5", "at 09 to 17 o'clock on Monday to Friday"),
        ("* 3 * * *", "every minute within the hour of 03 o'clock every day"),
        ("*/10 9-17 * * *", "every 10 minutes within the hours of 09 to 17 o'clock every day"),
        ("5,35 9-17 * * *", "at 5 and 35 minutes past 09 to 17 o'clock every day"),
        ("0 0 1 * *", "at 00:00 on day 1 of the month"),
        ("0 0 1-3,9,20 * ?", "at 00:00 on days 1 to 3, 9 and 20 of the month"),
        ("0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday"),
        ("0 0 * * sat,sun", "at 00:00 on Sunday and Saturday"),
        ("0 0 1-31 * 5", "at 00:00 every day"),
        ("0 0 5 * 0-6", "at 00:00 every day"),
        ("0 0 , * 5", "at 00:00 on Friday"),
        ("0 0 29 2 *", "at 00:00 on day 29 of the month in February"),
        ("0 6 * mar-may,12 1", "at 06:00 on Monday in March to May and December"),
        ("@weekly", "at 00:00 on Sunday"),
    ],
)
def test_description_of(text: str, english: str) -> None:
    assert parse(text, "Asia/Tokyo").describe() == f"{english}, Asia/Tokyo time"


def test_every_accepted_expression_has_a_description() -> None:
    rng = random.Random(3)
    count = 0
    for text in (expression(rng) for _ in range(3_000)):
        try:
            description = parse(text).describe()
        except CronError:
            continue
        count += 1
        assert description.startswith(("at ", "every "))
        assert "  " not in description
    assert count > 1_500
