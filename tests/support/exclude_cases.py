"""What `spec.exclude` may contain, and what is refused with a sentence."""

import random
from datetime import date, timedelta
from typing import Any, Final

ADMITTED: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"dates": ["2026-12-25"]},
    {"dates": ["2028-02-29", "2000-02-29", "2400-02-29", "2999-12-31"]},
    {"dates": ["2026-12-24/2027-01-06", "2026-12-24/2026-12-24"]},
    {"dates": [f"{date(2026, 1, 1) + timedelta(days=n)}" for n in range(100)]},
    {"weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]},
    {"monthDays": [1, 31, -1]},
    {"monthDays": [-1, *range(1, 28)]},
    {"calendarRef": {"name": "holidays"}},
    {"calendarRef": {"name": "a" * 253}, "weekdays": ["Sun"]},
)

_DATE: Final = "write for example 2026-12-25, or a range such as 2026-12-24/2027-01-06"
_ORDER: Final = "write the earlier day first"
_WEEKDAYS: Final = "leaves no day; write six at most, or suspend the schedule"
_MONTH_DAY: Final = "is 1 to 31, or -1 for the last of the month; write one of them"
_NAME: Final = "name must be the name of a ConfigMap in the same namespace; write for example"

REFUSED: Final[tuple[tuple[dict[str, Any], str], ...]] = (
    *(
        ({"dates": [text]}, _DATE)
        for text in (
            *("25.12.2026", "2026-02-29", "2100-02-29", "2026-04-31", "2026-13-01", "2026-00-10"),
            *("2026-12-00", "2026-12-32", "1999-12-31", "3000-01-01", "2026-12-2 ", "2026/12/25"),
            *("2026-12-25/", "2026-12-25/2026-02-30", "2026-12-25 2026-12-26", "2026-12-25\n"),
            *("\uff12026-12-25", "2026-12-25/2026-12-2\uff16"),
        )
        if 10 <= len(text) <= 21
    ),
    ({"dates": ["2027-01-06/2026-12-24"]}, _ORDER),
    ({"dates": ["2026-12-25/2026-12-24"]}, _ORDER),
    ({"weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]}, _WEEKDAYS),
    ({"monthDays": [0]}, _MONTH_DAY),
    ({"calendarRef": {"name": "Holidays"}}, _NAME),
    ({"calendarRef": {"name": "../holidays"}}, _NAME),
)

BY_SCHEMA: Final[tuple[dict[str, Any], ...]] = (
    {"dates": ["2026-1-1"]},
    {"dates": ["2026-12-24/2027-01-06 "]},
    {"dates": [f"{date(2026, 1, 1) + timedelta(days=n)}" for n in range(101)]},
    {"weekdays": ["sat"]},
    {"weekdays": ["Saturday"]},
    {"weekdays": [6]},
    {"monthDays": [32]},
    {"monthDays": [-2]},
    {"monthDays": ["L"]},
    {"calendarRef": {}},
    {"calendarRef": {"name": "a", "key": "b"}},
    {"years": [2026]},
)
"""What a plain schema refuses."""

_TOKENS: Final = (
    *("2026", "2028", "2100", "-", "/", "02", "12", "29", "31", "30", "00", "2026-12-25"),
    *("2027-01-06", "2028-02-29", " "),
)


def random_dates(rng: random.Random) -> dict[str, Any]:
    """Return an exclusion of one date or range, which is right or wrong."""
    while True:
        if rng.random() < 0.5:
            text = "".join(rng.choices(_TOKENS, k=rng.randint(1, 7)))
        else:
            parts = (rng.choice(("2026", "2028")), rng.randint(0, 13), rng.randint(0, 32))
            text = "{}-{:02}-{:02}".format(*parts)
        if 10 <= len(text) <= 21:
            return {"dates": [text]}
