"""Cron expressions, time zones and starts for tests, most of them awkward."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from download_schedule.cron import zones
from download_schedule.rules import SCHEDULE

ODD_ZONES: Final = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Juba", "Africa/Monrovia",
    "America/Asuncion", "America/Caracas", "America/Havana", "America/New_York", "America/Nuuk",
    "America/Santiago", "America/Sao_Paulo", "America/Scoresbysund", "America/St_Johns",
    "Antarctica/Casey", "Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Damascus",
    "Asia/Gaza", "Asia/Kathmandu", "Asia/Pyongyang", "Asia/Tehran", "Atlantic/Azores",
    "Australia/Lord_Howe", "Europe/Dublin", "Europe/London", "Europe/Paris", "Pacific/Apia",
    "Pacific/Chatham", "Pacific/Fakaofo", "Pacific/Kiritimati", "Pacific/Kwajalein",
)  # fmt: skip
"""Half-hour shifts, days without a midnight, skipped days, negative and double summer time."""

BAD_ZONES: Final = (
    "", "local", "Local", "LOCAL", "utc", "europe/paris", "Europe/PARIS", "Europe/Paris ", "Paris",
    "../UTC", "/UTC", "./UTC", "Etc//UTC", "Europe", "Europe/", "UTC+1", "GMT+1", "Etc/GMT+15",
    "Europe/Berlín", "-UTC", "\\UTC", "America/Argentina", "CEST", "Mars/Phobos", "Etc/UTC\x00",
)  # fmt: skip
_FIELDS: Final = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    (0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_DESCRIPTORS: Final = (
    "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
)  # fmt: skip
FOREIGN: Final = (
    "@DAILY", "@Daily", "@daily ", " @daily", "@", "@every", "@every 5m", "@every 1h30m ",
    "@reboot", "@daily @daily", "TZ=UTC * * * * *", "CRON_TZ=Asia/Tokyo 0 0 * * *", "TZ=UTC",
    "TZ= 0 0 * * *", "*-TZ * * * *", "0 0 * * 7", "0 0 * * 5-7", "0 0 * * 7-1", "0 0 L * *",
    "0 0 L-3 * *", "0 0 15W * *", "0 0 LW * *", "0 0 * * 5L", "0 0 * * MON#2", "0 0 0 * * *",
    "0 0 0 1 1 ? 2030", "0 22-6 * * *", "0 0 * nov-feb *", "0 0 * * sat-sun", "0 0 31 2 *",
    "0 0 30 2 ?", "0 0 31 4,6 *", "0 0 29 2 *", "0 0 29 feb */1", "0 0 31 2 5", ", * * * *",
    "* , * * *", "* * , * *", "* * * , *", "* * * * ,", "0 0 , * 5", "0 0 1 * ,", "0 0 31 2 ,",
    "0 0 , 2 *", "*-5 * * * *", "?-x/2 * * * *", "*-- * * * *", "* * * * MONDAY", "H * * * *",
    "H/5 * * * *", "H(0-9) * * * *", "0~9 * * * *", "R * * * *", "", " ", "*", "* * * *",
    "0 0 1, 15 * *", "'0 0 * * *'", "# 0 0 * * *", "0 0 * * fr\u0130", "0 0 * * \u017fun",
    "0 0 1 O\u212aT *", "0\u00a00\u2003*\u3000*\x85*", "0\x1c0 * * *", "0 0\x1f* * *",
    "\u200b0 0 * * *", "0\v0\f*\r*\n*\t", "\ufeff0 0 * * *", "\u0661 * * * *", "\uff11 * * * *",
    "+5 +0 +1 +1 +0", "05 005 01 001 00", "*/+5 * * * *", "*/-0 * * * *", "*/0 * * * *",
    "-5 * * * *", "1_0 * * * *", "0x1 * * * *", "1e1 * * * *", "*/9223372036854775807 * * * *",
    "*/9223372036854775808 * * * *", "*/99999999999999999999 * * * *",
    "59/9223372036854775807 * * * *", "18446744073709551616 * * * *", "*/ * * * *", "/5 * * * *",
    "1- * * * *", "1-/2 * * * *", "1-2- * * * *", "1/2/3 * * * *", "*/2/3 * * * *", "** * * * *",
    "*5 * * * *", "?? ? ? ? ?", "? ? ? ? ?", "*/1 */1 */1 */1 */1", "0 0 */1 * 5", "0 0 */2 * 5",
    "0 0 *,3 * 5", "0 0 */2,* * 5", "0 0 ?/1 * 5", "0 0 *-3/2 * 5", "0 0 1-31 * 5",
    "0 0 13 * 1-6/1",
)  # fmt: skip
CRONITER: Final = (
    "0 0 * * 0-7", "0 0 * * 7-7", "0 0 * * 6-0", "0 0 * * sun-0", "0 0 * nov-feb/2 *",
    "* 22-6/2 * * *", "50-10/7 * * * *", "* * * * 5-5", "0 0 1-1 * *", "0 0 * 1-1/3 *",
    "*/5 * * jan-jan *", "5-5/10 * * * *", "59/15 * * * *", "0 0 1,L * *", "0 0 31,L 1 *",
    "0 0 29-L * *", "0 0 L 1 *", "0 0 w15 * *", "0 0 * * L5", "0 0 * * L1,L5", "0 0 * * 1#1,3#2",
    "0 0 * * mon#6", "R(0-29)/10 R * * *", "0 0 * * * 0", "0 0 5 * * */10", "0 0 5 * * 0 *",
    "0 0 5 * * 0 2027", "0 0 ? * ?", "30 2 * * 7",
)  # fmt: skip
"""What croniter accepts beyond other cron dialects, most of it refused by Kubernetes."""
_NOISE: Final = (
    "0123456789*?,-/+ LW#HTZ@abjfsunt"
    "\u00e9\u0130\u017f\u212a_.~'\"()\t\n\u00a0\u2028\x1e\u0663\U0001f600"
)
_STRANGE: Final = (
    "-1", "00", "07", "7", "8", "12", "13", "23", "24", "31", "32", "59", "60", "63", "64", "99",
    "+3", "-0", "+-1", "1.5", "*-", "*-x", "?-1", "", ",", "L", "W", "1W", "1#2", "sun-", "JAN",
    "Mon-FRI", "fri-mon", "0-0", "5-5/3", "6/0", "4294967296", "9223372036854775807",
    "0" * 40 + "1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """The next *count* ticks of *expr* in *time_zone*, *after* so many seconds since 1970."""

    expr: str
    time_zone: str
    after: int
    count: int = 5


def is_admitted(text: str) -> bool:
    """Return whether the rules of the resource accept the expression, as evaluated in Python."""
    try:
        SCHEDULE.enforce(text)
    except PydanticCustomError:
        return False
    return True


def generate(seed: int, count: int) -> list[Case]:
    """Return *count* cases; the same *seed* always gives the same cases."""
    rng = random.Random(seed)
    return [_case(rng) for _ in range(count)]


def generate_around(zone: str, seed: int, count: int) -> list[Case]:
    """Return *count* cases that start near a clock change of *zone* and mostly fire at night."""
    rng = random.Random(f"{seed} {zone}")
    changes = [change for year in range(1900, 2100) for change in clock_changes(zone, year)]
    return [
        Case(
            rng.choice((_nightly, _nightly, _valid))(rng),
            zone,
            rng.choice(changes) + rng.choice((-1, 1)) * int(10 ** rng.uniform(0, 5.3)),
        )
        for _ in range(count)
    ]


def _case(rng: random.Random) -> Case:
    zone = rng.choice(ODD_ZONES) if rng.random() < 0.6 else rng.choice(_sorted_zones())
    start = _start(rng, zone)
    if rng.random() < 0.03:
        zone = _bad_zone(rng, zone)
    return Case(expression(rng), zone, start)


def expression(rng: random.Random) -> str:
    """Return an expression of at most 256 characters: mostly valid, some nearly, some garbage."""
    (make,) = rng.choices((_valid, _nearly, _word, _garbage), (60, 30, 5, 5))
    return make(rng)[:256]


def _valid(rng: random.Random) -> str:
    return " ".join(_field(rng, *field) for field in _FIELDS)


def _nightly(rng: random.Random) -> str:
    minute = rng.choice(("*", "0", "30", "59", "*/15", "20/10", "15,45", str(rng.randrange(60))))
    hours = ("*", "*/2", "0-4", "23,0", "1-3", "3/3", "0,12", "*/5", "2", "1", "0")
    day = rng.choice(("* * *", "* * *", "1 * *", "*/2 * ?", "31 * 0", "* */3 0", "* 3-4,9-11 SUN"))
    return f"{minute} {rng.choice(hours)} {day}"


def _field(rng: random.Random, low: int, high: int, words: Sequence[str]) -> str:
    if rng.random() < 0.3:
        return rng.choice("***?")
    items = [_item(rng, low, high, words) for _ in range(rng.choice((1, 1, 1, 1, 2, 3)))]
    return ",".join(items)


def _item(rng: random.Random, low: int, high: int, words: Sequence[str]) -> str:
    first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
    start, end = (_spell(rng, number, low, words) for number in (first, last))
    step = rng.choice((1, 2, 3, 5, 10, 15, rng.randint(1, 100)))
    forms = (start, start, start, f"{start}-{end}", f"{start}-{end}/{step}", f"{start}/{step}",
             f"*/{step}", f"?/{step}", "*", str(high), str(low))  # fmt: skip
    return rng.choice(forms)


def _spell(rng: random.Random, number: int, low: int, words: Sequence[str]) -> str:
    if words and rng.random() < 0.5:
        word = words[number - low]
        return "".join(rng.choice((c, c.upper())) for c in word)
    return rng.choice((str(number),) * 8 + (f"0{number}", f"+{number}"))


def _nearly(rng: random.Random) -> str:
    words = _valid(rng).split()
    mutate: Callable[[random.Random, list[str]], str] = rng.choice((_swap, _scribble, _recount))
    return mutate(rng, words)


def _swap(rng: random.Random, words: list[str]) -> str:
    index = rng.randrange(len(words))
    piece = rng.choice(_STRANGE)
    form = rng.choice(("{p}", "{w},{p}", "{p},{w}", "{p}-{w}", "{w}-{p}", "{w}/{p}", "{p}/{w}"))
    words[index] = form.format(p=piece, w=words[index])
    return " ".join(words)


def _scribble(rng: random.Random, words: list[str]) -> str:
    text = list(" ".join(words))
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.randrange(len(text))
        text[index : index + rng.choice((0, 1))] = rng.choice(("", rng.choice(_NOISE)))
    return "".join(text)


def _recount(rng: random.Random, words: list[str]) -> str:
    count = rng.choice((1, 2, 3, 4, 5, 6, 7))
    space = rng.choice((" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\x1c", "\x85", "\v"))
    return rng.choice(("", " ", "\t")) + space.join((words * 2)[:count]) + rng.choice(("", " "))


def _word(rng: random.Random) -> str:
    return rng.choice(_DESCRIPTORS) if rng.random() < 0.5 else rng.choice(FOREIGN)


def _garbage(rng: random.Random) -> str:
    return "".join(rng.choices(_NOISE, k=rng.randint(0, 40)))


@cache
def _sorted_zones() -> tuple[str, ...]:
    return tuple(sorted(zones.names()))


def _bad_zone(rng: random.Random, zone: str) -> str:
    return rng.choice((*BAD_ZONES, zone.lower(), zone.upper(), f"{zone} ", zone[:-1]))


def _start(rng: random.Random, zone: str) -> int:
    """Return a second near a clock change, a leap day or a year's end, or any other."""
    (years,) = rng.choices(((2023, 2037), (1970, 2110), (1850, 2400)), (50, 45, 5))
    year = rng.randint(*years)
    kind = rng.random()
    if kind < 0.55 and (changes := clock_changes(zone, year)):
        near = rng.choice((60, 3600, 7200, 86_400, 3 * 86_400, 30 * 86_400))
        return rng.choice(changes) + rng.randint(-near, near)
    if kind < 0.7:
        day = datetime(rng.choice((year, year, 2096, 2099)), rng.choice((1, 3)), 1, tzinfo=UTC)
        return _seconds(day) + rng.randint(-2 * 86_400, 86_400)
    return _seconds(datetime(year, 1, 1, tzinfo=UTC)) + rng.randrange(366 * 86_400)


@cache
def clock_changes(zone: str, year: int) -> tuple[int, ...]:
    """Return the seconds at which the offset of *zone* changes within *year*.

    Skipped days are left out: robfig never returns there, and each timeout takes seconds.
    """
    skipped = skipped_days(zone, year)
    return tuple(change for change in _changes(zone, year) if change not in skipped)


def skipped_days(zone: str, year: int) -> tuple[int, ...]:
    """Return the seconds at which *zone* skips a calendar day, by crossing the date line."""
    tz, day = zones.load(zone), timedelta(hours=20)
    return tuple(c for c in _changes(zone, year) if _offset(tz, c) - _offset(tz, c - 1) > day)


@cache
def _changes(zone: str, year: int) -> tuple[int, ...]:
    tz = zones.load(zone)
    edge, end = (_seconds(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    changes = []
    for start in range(edge, end, 5 * 86_400):
        low, high = start, start + 5 * 86_400
        if _offset(tz, low) == _offset(tz, high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(tz, middle) == _offset(tz, low) else (low, middle)
        changes.append(high)
    return tuple(changes)


def _offset(tz: ZoneInfo, seconds: int) -> timedelta:
    return datetime.fromtimestamp(seconds, tz).utcoffset() or timedelta()


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
