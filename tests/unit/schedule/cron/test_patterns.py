"""The CRD's rules on ``spec.schedule`` accept what the parser accepts."""

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from download_schedule.cron import FIELD_PATTERNS, CronError, parse
from tests.support.cron_cases import expression, is_admitted

PATTERNS = {name: re.compile(pattern, re.ASCII) for name, pattern in FIELD_PATTERNS}
BOUNDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of month": (1, 31),
    "month": (1, 12),
    "day of week": (0, 6),
}
NAMES = tuple(BOUNDS)
UID = "7c3f0b5e-8a4e-4b34-9b1c-0a3a8f9f6d10"


def is_accepted(expression: str) -> bool:
    try:
        parse(expression, uid=UID)
    except CronError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_only_values_within_the_bounds_match(name: str) -> None:
    low, high = BOUNDS[name]
    matches = [n for n in range(200) if PATTERNS[name].fullmatch(str(n))]
    assert matches == list(range(low, high + 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["*", "?", "H", "*/7", "?/2", "H/3", "H(2-5)", "H(1-6)/2", "1,2,3", "1-5/2", "01", "+3"]
)
def test_every_form_matches_in_every_field(name: str, text: str) -> None:
    assert PATTERNS[name].fullmatch(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["", "-1", "*/0", "h", "L", "1L", "1W", "1#2", "1-", "-", "1/2/3", "1 2", "99", "1-99",
             "H(1-99)", "H()", "*/x", "~", "1.5", "**", "*5", "1--2", "\N{ARABIC-INDIC DIGIT ONE}"],
)  # fmt: skip
def test_text_that_no_field_accepts_does_not_match(name: str, text: str) -> None:
    assert not PATTERNS[name].fullmatch(text)


@pytest.mark.parametrize("text", ["JAN", "feb", "Mar-MAY", "jan,JUL", "nov/2", "H(jan-jun)"])
def test_month_names_match_only_in_the_month_field(text: str) -> None:
    assert [name for name in NAMES if PATTERNS[name].fullmatch(text)] == ["month"]


@pytest.mark.parametrize("text", ["MON", "sun", "Mon-FRI", "sat,SUN", "mon/2", "H(mon-fri)"])
def test_day_names_match_only_in_the_day_of_week_field(text: str) -> None:
    assert [name for name in NAMES if PATTERNS[name].fullmatch(text)] == ["day of week"]


@given(st.integers(0, 2**32).map(random.Random).map(expression))
@example("@daily")
@example("\t0\v0\f*\r*\n* ")
@example("0 0 , * 5")
@example("H H(1-5) H/7 * ?")
def test_ascii_expression_that_parser_accepts_is_admitted(text: str) -> None:
    if text.isascii() and is_accepted(text):
        assert is_admitted(text)


@pytest.mark.parametrize(
    "text", ["@every 5m", "@reboot", "@daily ", " @daily", "@DAILY", "0 0 * * 7", "60 * * * *",
             "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "0 0 * * MONDAY",
             "* * * *", "0 0 2 * * *", "", "TZ=UTC * * * * *", "CRON_TZ=UTC * * * * *",
             "*-TZ * * * *", "0 0 L * *", "0 0 * * 5#2", "0 0 15W * *", "* * * * *x", ", * * * *"],
)  # fmt: skip
def test_common_mistake_is_not_admitted(text: str) -> None:
    assert not is_accepted(text)
    assert not is_admitted(text)


def test_parser_refuses_an_admitted_expression_only_for_what_no_pattern_can_express() -> None:
    rng = random.Random(4)
    cases = [text for text in (expression(rng) for _ in range(20_000)) if text.isascii()]
    admitted_only = [text for text in cases if is_admitted(text) and not is_accepted(text)]
    for text in admitted_only:
        with pytest.raises(CronError, match=r"backwards|never fire|is not a value|step of"):
            parse(text, uid=UID)
