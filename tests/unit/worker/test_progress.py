"""How far a download is, in a log and in a terminal."""

import json
import logging
import sys

import pytest

from download_worker.progress import JSONFormatter, ProgressLog, RateMeter, describe_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which a test sets."""
    times = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: times[0])
    return times


def test_meter_measures_once_an_interval(clock: list[float]) -> None:
    meter = RateMeter(5)
    assert meter.sample(0) is None
    clock[0] += 4
    assert meter.sample(400) is None
    clock[0] += 1
    assert meter.sample(500) == 100
    clock[0] += 5
    assert meter.sample(500) == 0


def test_meter_does_not_count_bytes_of_an_earlier_attempt(clock: list[float]) -> None:
    meter = RateMeter(5)
    meter.sample(1000)
    clock[0] += 5
    assert meter.sample(1500) == 100


def test_meter_starts_again_with_another_response(clock: list[float]) -> None:
    meter = RateMeter(5)
    meter.sample(1000)
    meter.sample(0)
    clock[0] += 5
    assert meter.sample(500) == 100


def test_log_line_has_data(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = ProgressLog()
    progress(0, 3_000_000)
    clock[0] += 5
    progress(1_000_000, 3_000_000)

    (record,) = caplog.records
    assert record.getMessage() == "1.0 MB, 0.2 MB/s, 10 s left of 3.0 MB"
    line = json.loads(JSONFormatter().format(record))
    assert (line["level"], line["message"]) == ("info", record.getMessage())
    assert (line["bytes"], line["expected"]) == (1_000_000, 3_000_000)
    assert (line["bytesPerSecond"], line["secondsLeft"]) == (200_000, 10)


@pytest.mark.parametrize(
    ("expected", "rate", "text"),
    [
        (0, 1e6, "1.0 MB, 1.0 MB/s"),
        (2_000_000, 0.0, "1.0 MB, 0.0 MB/s"),
        (2_000_000, 1e5, "1.0 MB, 0.1 MB/s, 10 s left of 2.0 MB"),
    ],
)
def test_progress_in_words(expected: int, rate: float, text: str) -> None:
    assert describe_progress(1_000_000, expected, rate) == text


def test_json_line_has_the_exception() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), sys.exc_info())
    assert "ValueError: broken" in json.loads(JSONFormatter().format(record))["exception"]
