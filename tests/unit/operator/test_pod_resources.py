"""What downloads may use, by format."""

import re
from pathlib import Path

import pytest

from download_operator.pod_resources import DEFAULTS, Resources, with_defaults
from download_schedule.model import Format
from download_worker.formats.converters import DEFAULT_MEMORY_BYTES

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "operating.md"


def test_quantities_that_are_not_given_are_the_defaults() -> None:
    assert with_defaults({}) == DEFAULTS
    given = Resources(requests={"cpu": "1"}, limits={"cpu": "2"})

    merged = with_defaults({Format.PDF: given})

    assert merged[Format.PDF].requests == {**DEFAULTS[Format.PDF].requests, "cpu": "1"}
    assert merged[Format.PDF].limits == {**DEFAULTS[Format.PDF].limits, "cpu": "2"}
    assert merged[Format.RAW] == DEFAULTS[Format.RAW]


@pytest.mark.parametrize(
    ("requested", "limit"),
    [("1Gi", "1024Mi"), ("1000", "1k"), ("999M", "1G"), ("0.5Gi", "512Mi"), ("1500m", "2")],
)
def test_request_may_be_as_large_as_the_limit(requested: str, limit: str) -> None:
    resources = Resources(requests={"memory": requested}, limits={"memory": limit})

    assert with_defaults({Format.RAW: resources})[Format.RAW].limits["memory"] == limit


def test_request_above_the_limit_is_refused() -> None:
    resources = Resources(limits={"memory": "127Mi"})

    with pytest.raises(ValueError, match="for text requests 128Mi of memory, more than its limit"):
        with_defaults({Format.TEXT: resources})


def test_guide_has_the_defaults() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\w+) \|$", GUIDE.read_text(), re.MULTILINE
    )

    assert {row[0]: row[1:] for row in rows} == {
        file_format: (
            default.requests["memory"],
            default.limits["memory"],
            default.limits["ephemeral-storage"],
        )
        for file_format, default in DEFAULTS.items()
    }
    assert {
        (default.requests["cpu"], default.requests["ephemeral-storage"])
        for default in DEFAULTS.values()
    } == {("10m", "16Mi")}


def test_worker_assumes_the_same_limit_that_it_cannot_read() -> None:
    assert DEFAULTS[Format.TEXT].limits["memory"] == f"{DEFAULT_MEMORY_BYTES // 1024**3}Gi"
