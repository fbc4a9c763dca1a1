"""Which bytes of a file a request asks for."""

import pytest

from download_api.content.ranges import select_bytes
from download_api.problems.problem import ProblemError

ETAG = f'"{"a" * 64}"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-4", range(2, 5)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=9-", range(9, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
    ],
)
def test_range_selects_part_of_the_file(header: str, expected: range) -> None:
    selection = select_bytes({"range": header}, ETAG, 10)
    assert (selection.status, selection.bytes) == (206, expected)
    assert selection.headers["Content-Length"] == str(len(expected))
    assert selection.headers["Content-Range"] == f"bytes {expected[0]}-{expected[-1]}/10"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=-",
        "bytes=4-2",
        "bytes=0-1,3-4",
        "lines=1-2",
        "bytes=x",
        "bytes=٣-",
        "bytes=1-2 ",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_header_that_is_not_one_range_is_ignored(header: str) -> None:
    selection = select_bytes({"range": header}, ETAG, 10)
    assert (selection.status, selection.bytes) == (200, range(10))
    assert selection.headers == {"Content-Length": "10"}


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=-5", 0)])
def test_range_beyond_the_file_is_a_416(header: str, size: int) -> None:
    with pytest.raises(ProblemError) as refusal:
        select_bytes({"range": header}, ETAG, size)
    assert refusal.value.status == 416
    assert refusal.value.headers == {"Content-Range": f"bytes */{size}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f'"x", W/{ETAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-range": ETAG, "range": "bytes=1-2"}, 206),
        ({"if-range": '"x"', "range": "bytes=1-2"}, 200),
        ({"if-range": f"W/{ETAG}", "range": "bytes=1-2"}, 200),
    ],
)
def test_conditions_compare_the_etag(headers: dict[str, str], status: int) -> None:
    assert select_bytes(headers, ETAG, 10).status == status


@pytest.mark.parametrize("header", [ETAG, "*"])
def test_file_without_an_etag_never_matches(header: str) -> None:
    assert select_bytes({"if-none-match": header}, "", 10).status == 200
