"""ETags and If-Match."""

import pytest

from download_api.schema.etags import etag, satisfies_if_match
from tests.support.api_objects import resource


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        (None, True),
        ("*", True),
        ("{}", True),
        ('"a", {}', True),
        ('{} ,"b,c"', True),
        ("", False),
        ("W/{}", False),
        ('"a"', False),
    ],
)
def test_one_etag_of_if_match_must_be_that_of_the_resource(
    if_match: str | None, expected: bool
) -> None:
    stored = resource()
    assert satisfies_if_match(stored, if_match and if_match.format(etag(stored))) == expected


def test_etag_changes_with_generation_and_display_name_but_not_with_the_status() -> None:
    stored, written, named, run = (resource() for _ in range(4))
    written["metadata"]["generation"] = 2
    named["metadata"]["annotations"] = {"downloads.dev/display-name": "Other"}
    run["metadata"]["resourceVersion"], run["status"] = "2", {"active": 1}
    assert len({etag(r) for r in (stored, written, named)}) == 3
    assert etag(run) == etag(stored)
