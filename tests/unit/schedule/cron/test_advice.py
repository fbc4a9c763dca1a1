"""Refusals tell people what to write instead."""

import pytest

from download_schedule.cron import CronError, parse


def refusal(expression: str) -> str:
    with pytest.raises(CronError) as refused:
        parse(expression)
    return str(refused.value)


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
def test_refusal_says_what_to_write_instead(expression: str, advice: str) -> None:
    assert advice in refusal(expression)


@pytest.mark.parametrize(
    "expression", ["x\n* * * *" * 9, "\ud800 * * * *", "\x00 * * * *", "a" * 250]
)
def test_refusal_is_one_printable_line(expression: str) -> None:
    assert refusal(expression).isprintable()
