"""What is read, what is refused, and what the refusal tells people to write instead."""

from datetime import UTC, datetime

import pytest

from download_schedule.cron import MAX_LENGTH, CronError, parse
from download_schedule.cron.zones import names

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def same(left: str, right: str) -> bool:
    """Whether both fire at the same forty moments."""
    end = datetime(2090, 1, 1, tzinfo=UTC)
    ticks = [parse(text).between(NEW_YEAR, end, 40) for text in (left, right)]
    return ticks[0] == ticks[1] != []


def refusal(expression: str, time_zone: str = "Etc/UTC", uid: str | None = None) -> str:
    with pytest.raises(CronError) as refused:
        parse(expression, time_zone, uid=uid)
    return str(refused.value)


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
def test_spellings_of_the_same(spelling: str, plain: str) -> None:
    assert same(spelling, plain)


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 13 * 5", [2, 9, 13, 16]),  # neither a star: either
        ("0 0 13 * *", [13]),
        ("0 0 * * 5", [2, 9, 16, 23]),
        ("0 0 */1 * 5", [2, 9, 16, 23]),  # a step of 1 is a star
        ("0 0 */30 * 5", [2, 9, 16, 23, 30, 31]),  # a longer one is not, and 1 January is the start
        ("0 0 *,13 * 5", [2, 9, 16, 23]),
        ("0 0 13,*/1 * ?", list(range(2, 32))),
    ],
)
def test_days_of_month_and_of_week(expression: str, days: list[int]) -> None:
    end = datetime(2026, 1, 31, 1, tzinfo=UTC)
    fired = [tick.day for tick in parse(expression).between(NEW_YEAR, end, 99)]
    assert fired[: len(days)] == days


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("60 * * * *", "minute: '60' is outside the bounds; write 0-59"),
        ("* 24 * * *", "hour: '24' is outside the bounds; write 0-23"),
        ("* * 0 * *", "day of month: '0' is outside the bounds; write 1-31"),
        ("* * 5-0 * *", "day of month: '5-0' is outside the bounds; write 1-31"),
        ("* * * 13 *", "month: '13' is outside the bounds; write 1-12 or jan-dec"),
        ("* * * * 8", "day of week: '8' is outside the bounds; write 0-6 or sun-sat"),
        ("60-5 * * * *", "minute: '60-5' is outside the bounds; write 0-59"),
        ("* * * * 7", "counts Sunday as 7; write 0 or sun for Sunday, here '0'"),
        ("* * * * 5-7", "here '0,5-6'"),
        ("* * * * 6-7", "here '0,6'"),
        ("* * * * 1-7", "here '0-6'"),
        ("* * * * 0-7", "here '0-6'"),
        ("* * * * 7-1", "here '0-1'"),
        ("* * * * 7-7", "here '0'"),
        ("* 22-6 * * *", "hour: '22-6' runs backwards; write '22-23,0-6'"),
        ("* * * * fri-mon", "write '5-6,0-1'"),
        ("* * * * sat-sun", "write '6,0'"),
        ("* * L * *", "Kubernetes has no last day (L); write 28"),
        ("* * L-3 * *", "Kubernetes has no last day (L); write 28"),
        ("* * 15W * *", "Kubernetes has no nearest workday (W); write 1-5 in day of week"),
        ("* * LW * *", "Kubernetes has no nearest workday (W)"),
        ("* * * * 5L", "Kubernetes has no last weekday of a month (L); write the weekday alone"),
        ("* * * * MON#2", "Kubernetes has no n-th weekday of a month (#); write the weekday"),
        ("* * * * monday", "write the first three letters, such as sun"),
        ("* * * january *", "write the first three letters, such as jan"),
        ("R * * * *", "write H or H(low-high)"),
        ("0~9 * * * *", "write H or H(low-high)"),
        ("h * * * *", "with a capital H"),
        ("H * * * *", "has an H, which needs a UID"),
        ("0 0 0 * * *", "has 6 fields, Kubernetes reads five"),
        ("0 0 5 * * *", "without seconds write '0 5 * * *'"),
        ("0 0 5 * * ? 2030", "without seconds write '0 5 * * ?'"),
        ("0 0 1, 15 * *", "write lists without spaces"),
        ("* * * *", "has 4 fields, Kubernetes reads five"),
        ("daily", "has 1 field, Kubernetes reads five"),
        ("", "has 0 fields"),
        ("@every 5m", "write a step, such as '*/15 * * * *'"),
        ("@DAILY", "write @daily"),
        ("@daily ", "write @daily"),
        (" @daily", "write @daily"),
        ("@reboot", "write one of @yearly"),
        ("TZ=UTC * * * * *", "names a time zone; write it in timeZone instead"),
        ("CRON_TZ=UTC * * * * *", "names a time zone; write it in timeZone instead"),
        ("*-TZ * * * *", "names a time zone"),
        ("*/0 * * * *", "the step of '*/0' is 0; write a step of 1 or more"),
        ("1/2/3 * * * *", "has more than one slash; write one step"),
        ("1-2-3 * * * *", "has more than one hyphen; write a range as low-high"),
        ("1- * * * *", "minute: '' in '1-' is not a value; write 0-59, a list, a range or a step"),
        ("1-x * * * *", "minute: 'x' in '1-x' is not a value"),
        ("1_0 * * * *", "minute: '1_0' is not a value"),
        ("\u0661 * * * *", "is not a value"),
        ("*/9223372036854775808 * * * *", "is not a value"),
        ("0\x1c0 * * * *", "is not a value"),
        (", * * * *", "minute: the list is empty; write at least one value"),
        ("* , * * *", "hour: the list is empty"),
        ("* * * , *", "month: the list is empty"),
    ],
)
def test_refusals_say_what_to_write_instead(expression: str, advice: str) -> None:
    assert advice in refusal(expression)


@pytest.mark.parametrize(
    "expression",
    ["0 0 31 2 *", "0 0 30 2 ?", "0 0 31 2,4,6,9,11 *", "0 0 31 2 ,", "0 0 , 2 *", "0 0 , * ,"],
)
def test_what_never_fires_is_refused(expression: str) -> None:
    assert "never fire" in refusal(expression)


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 0 31 2 5", "0 0 31 2,3 *", "0 0 1 * ,"])
def test_what_fires_at_last_is_accepted(expression: str) -> None:
    assert parse(expression).next(NEW_YEAR) is not None


def test_length_is_bounded_and_the_bound_itself_accepted() -> None:
    filler = "0," * ((MAX_LENGTH - len("0 * * * *")) // 2)
    longest = f"{filler}0 * * * *".ljust(MAX_LENGTH)
    assert len(longest) == MAX_LENGTH
    assert same(longest, "0 * * * *")
    assert "write at most 1024" in refusal(f"{longest} ")


@pytest.mark.parametrize(
    ("time_zone", "advice"),
    [
        ("", "it is empty; write an IANA name"),
        ("Local", "says nothing in a cluster"),
        ("local", "says nothing in a cluster"),
        ("europe/paris", "write Europe/Paris"),
        ("America/New York", "write America/New_York"),
        ("Paris", "write an IANA name such as Europe/Paris"),
        ("../UTC", "is not a known zone"),
        ("/etc/localtime", "is not a known zone"),
    ],
)
def test_zones_that_are_refused(time_zone: str, advice: str) -> None:
    message = refusal("* * * * *", time_zone)
    assert message.startswith("timeZone: ")
    assert advice in message


def test_every_name_of_the_pinned_tables_is_read() -> None:
    assert len(names()) >= 590
    for name in names():
        assert parse("0 2 * * *", name).time_zone == name


def test_a_refusal_is_one_sentence_of_one_line() -> None:
    for expression in ("x\n* * * *" * 9, "\ud800 * * * *", "\x00 * * * *", "a" * 250):
        message = refusal(expression)
        assert "\n" not in message
        assert message.isprintable()
