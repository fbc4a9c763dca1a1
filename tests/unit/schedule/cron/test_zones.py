"""Time zones: which names are accepted, and what a refusal offers."""

import pytest

from download_schedule.cron import CronError, parse
from download_schedule.cron.zones import names


@pytest.mark.parametrize(
    ("time_zone", "advice"),
    [
        ("", "it is empty; write an IANA name"),
        ("Local", "depends on the machine"),
        ("local", "depends on the machine"),
        ("europe/paris", "write Europe/Paris"),
        ("America/New York", "write America/New_York"),
        ("Paris", "write an IANA name such as Europe/Paris"),
        ("../UTC", "is not a known zone"),
        ("/etc/localtime", "is not a known zone"),
    ],
)
def test_unknown_zone_is_refused_with_advice(time_zone: str, advice: str) -> None:
    with pytest.raises(CronError) as refused:
        parse("* * * * *", time_zone)
    assert str(refused.value).startswith("timeZone: ")
    assert advice in str(refused.value)


def test_every_name_of_the_pinned_tables_is_accepted() -> None:
    assert len(names()) >= 590
    for name in names():
        assert parse("0 2 * * *", name).time_zone == name
