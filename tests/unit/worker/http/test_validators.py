"""What tells whether two responses carry the same file."""

import pytest

from download_worker.http.messages import Request, Response
from download_worker.http.validators import (
    PreviousFile,
    RemoteVersion,
    is_weak_date,
    remote_version,
    whole_length,
)

URL = "http://example.com/x"
NOON = "Mon, 23 Nov 2026 12:00:00 GMT"
SECOND_LATER = "Mon, 23 Nov 2026 12:00:01 GMT"
LARGE_NUMBER = "9" * 30


def response(status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(URL, "1.1", status, named)


def test_date_of_the_same_second_is_weak() -> None:
    assert is_weak_date({"date": NOON, "last-modified": NOON})
    assert not is_weak_date({"date": SECOND_LATER, "last-modified": NOON})


@pytest.mark.parametrize(
    "date",
    [
        "noon",
        "Mon, 23 Nov 2026 12:00:00 -0000",
        f"Mon, 23 Nov {LARGE_NUMBER} 12:00:00 GMT",
        f"Mon, 23 Nov 2026 {LARGE_NUMBER}:00:00 GMT",
        f"Mon, 23 Nov 2026 12:00:00 +{LARGE_NUMBER}",
    ],
)
def test_invalid_date_says_nothing(date: str) -> None:
    assert not is_weak_date({"date": date, "last-modified": NOON})
    assert not is_weak_date({"date": NOON, "last-modified": date})


@pytest.mark.parametrize(
    ("etag", "modified", "headers"),
    [
        ('"v1"', NOON, (("If-None-Match", '"v1"'),)),
        ('W/"v1"', None, (("If-None-Match", 'W/"v1"'),)),
        (None, NOON, (("If-Modified-Since", NOON),)),
        ('"é"', NOON, (("If-Modified-Since", NOON),)),
        ('"é"', None, ()),
        (None, "é", ()),
        ("v1", None, (("If-None-Match", "v1"),)),
        ('"a b, c*"', None, (("If-None-Match", '"a b, c*"'),)),
        ('""', None, (("If-None-Match", '""'),)),
        ("*", NOON, (("If-Modified-Since", NOON),)),
        ('"a", "b"', None, ()),
        ("a,b", None, ()),
        (None, "0", ()),
        (None, "Sun, 31 Dec 1989 23:59:59 GMT", ()),
        (
            None,
            "Mon, 01 Jan 1990 00:00:00 GMT",
            (("If-Modified-Since", "Mon, 01 Jan 1990 00:00:00 GMT"),),
        ),
        (None, None, ()),
    ],
)
def test_conditional_headers(
    etag: str | None, modified: str | None, headers: tuple[tuple[str, str], ...]
) -> None:
    assert PreviousFile("0" * 64, etag, modified, None).conditional_headers() == headers


def test_range_headers_ask_for_the_rest_of_the_same_version() -> None:
    version = RemoteVersion(URL, '"v1"', 10)
    assert version.range_headers(4) == (("Range", "bytes=4-"), ("If-Range", '"v1"'))


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"v1"'}, '"v1"'),
        ({"date": SECOND_LATER, "last_modified": NOON}, NOON),
        ({"etag": '"v1"', "date": SECOND_LATER, "last_modified": NOON}, '"v1"'),
    ],
)
def test_file_with_a_strong_validator_can_be_resumed(
    headers: dict[str, str], validator: str
) -> None:
    version = remote_version(Request(URL), response(200, content_length="10", **headers))
    assert version == RemoteVersion(URL, validator, 10)


@pytest.mark.parametrize(
    "whole",
    [
        response(),
        response(etag='W/"v1"'),
        response(etag="v1"),
        response(etag='W/"v1"', date=SECOND_LATER, last_modified=NOON),
        response(date=NOON, last_modified=NOON),
        response(last_modified=NOON),
        response(etag='"v1"', accept_ranges="None"),
        response(etag='"v1"', content_encoding="gzip"),
        response(203, etag='"v1"'),
    ],
    ids=lambda whole: f"{whole.status} {whole.headers}",
)
def test_other_files_cannot_be_resumed(whole: Response) -> None:
    assert remote_version(Request(URL), whole) is None


def test_part_that_is_all_of_the_file_is_whole() -> None:
    assert whole_length(response(206, content_range="bytes 0-4/5")) == 5
    assert whole_length(response(206, content_range="Bytes 0-0/1")) == 1


@pytest.mark.parametrize(
    "part",
    [
        response(206),
        response(200, content_range="bytes 0-4/5"),
        *(
            response(206, content_range=content_range)
            for content_range in (
                "bytes 0-4/6",
                "bytes 1-4/5",
                "bytes 0-4/*",
                "bytes */5",
                "bytes=0-4/5",
                "bytes 0-5/5",
                "lines 0-4/5",
                "0-4/5",
                "bytes 0-4/5, bytes 0-4/5",
            )
        ),
        response(206, content_range="bytes 0-4/5", content_type="multipart/byteranges; boundary=x"),
    ],
    ids=lambda part: f"{part.status} {part.headers}",
)
def test_other_parts_are_not_the_whole_file(part: Response) -> None:
    assert whole_length(part) is None
