"""What two answers say by which they can be known to be of one file."""

import pytest

from download_worker.http.validators import is_fresh

NOON = "Mon, 23 Nov 2026 12:00:00 GMT"
MANY = "9" * 30


def test_a_file_of_the_very_second_may_change_within_it() -> None:
    assert is_fresh({"date": NOON, "last-modified": NOON})
    assert not is_fresh({"date": "Mon, 23 Nov 2026 12:00:01 GMT", "last-modified": NOON})


@pytest.mark.parametrize(
    "date",
    [
        "noon",
        "Mon, 23 Nov 2026 12:00:00 -0000",
        f"Mon, 23 Nov {MANY} 12:00:00 GMT",
        f"Mon, 23 Nov 2026 {MANY}:00:00 GMT",
        f"Mon, 23 Nov 2026 12:00:00 +{MANY}",
    ],
)
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    assert not is_fresh({"date": date, "last-modified": NOON})
    assert not is_fresh({"date": NOON, "last-modified": date})
