"""Where the file of a run is."""

from typing import Any

import pytest

from download_api.content.location import locate_file
from download_api.problems.problem import ProblemError

DIGEST = "a" * 64


def run(number: int = 0, **members: Any) -> dict[str, Any]:
    return {
        "id": f"run-{number}",
        "state": "Completed",
        "completionTime": f"2026-11-23T0{number}:00:00Z",
        "location": "volume://data/a/latest.csv",
        "sha256": DIGEST,
        **members,
    }


def locate(run: dict[str, Any], *others: dict[str, Any]) -> tuple[str, str, str]:
    return locate_file({"status": {"history": [*others, run]}}, run)


def refusal(run: dict[str, Any], *others: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ProblemError) as raised:
        locate(run, *others)
    return raised.value.status, raised.value.error_type


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("volume://data/a/b.csv", ("volume", "data", "a/b.csv")),
        ("volume://data/…/ü b?c#d%2e", ("volume", "data", "…/ü b?c#d%2e")),
        ("s3://bucket/a/..b", ("s3", "bucket", "a/..b")),
    ],
)
def test_location_has_kind_container_and_path(
    location: str, expected: tuple[str, str, str]
) -> None:
    assert locate(run(location=location)) == expected


@pytest.mark.parametrize(
    "location",
    [
        "volume://data",
        "volume://data/",
        "volume:///etc/passwd",
        "volume://data//etc/passwd",
        "volume://data/../x",
        "volume://data/a/..",
        "volume://data/a/./b",
        "volume://data/a\0b",
        "s3://bucket/../other/secret",
        "file:///etc/passwd",
        "https://example.com/x",
        "VOLUME://data/a",
        "x",
    ],
)
def test_location_that_no_run_writes_is_not_served(location: str) -> None:
    assert refusal(run(location=location)) == (404, "content_not_found")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"state": "Pending"}, (409, "run_active")),
        ({"state": "Running"}, (409, "run_active")),
        ({"state": "Failed"}, (404, "content_not_found")),
        ({"unchanged": True}, (404, "content_not_found")),
        ({"location": None}, (404, "content_not_found")),
    ],
)
def test_run_that_kept_no_file_has_no_location(
    members: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert refusal(run(**members)) == expected


def test_file_that_a_later_run_overwrote_is_gone() -> None:
    first, second = run(1), run(2, sha256="b" * 64)
    assert refusal(first, second) == (410, "content_gone")
    assert locate(second, first)


@pytest.mark.parametrize(
    "later",
    [
        run(2),
        run(2, sha256="b" * 64, location="volume://data/other"),
        run(2, sha256="b" * 64, unchanged=True),
    ],
    ids=["same content", "another place", "unchanged"],
)
def test_later_run_that_did_not_overwrite_the_file_does_not_matter(later: dict[str, Any]) -> None:
    assert locate(run(1), later)


def test_skipped_run_has_no_file() -> None:
    assert refusal(run(state="Skipped")) == (404, "content_not_found")
