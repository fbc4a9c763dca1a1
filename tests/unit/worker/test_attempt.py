"""How an attempt ends: the exit code, by which Kubernetes decides about a retry."""

import errno
import signal

import pytest

from download_schedule.attempt.result import EXIT_PERMANENT, EXIT_RETRY, EXIT_STOPPED
from download_worker.attempt import StopFlag, outcome
from download_worker.errors import DownloadError, Reason, StoppedError


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (DownloadError(Reason.HTTP_STATUS, "gone", 404), "HTTPStatus", EXIT_PERMANENT),
        (DownloadError(Reason.HTTP_STATUS, "busy", 503), "HTTPStatus", EXIT_RETRY),
        (StoppedError(), "Stopped", EXIT_STOPPED),
        (OSError(errno.ENOSPC, "full"), "NoSpace", EXIT_RETRY),
        (OSError(errno.ELOOP, "link"), "UnsafePath", EXIT_PERMANENT),
        (ZeroDivisionError("a bug"), "InternalError", EXIT_RETRY),
    ],
)
def test_failure_has_a_reason_and_an_exit_code(error: Exception, reason: str, code: int) -> None:
    result, exit_code = outcome(error)
    assert (result.reason, exit_code) == (reason, code)
    assert result.message


@pytest.mark.parametrize(("status", "reported"), [(404, 404), (999, None), (None, None)])
def test_status_is_reported_if_it_fits(status: int | None, reported: int | None) -> None:
    result, _ = outcome(DownloadError(Reason.HTTP_STATUS, "x", status))
    assert result.httpStatus == reported


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_sets_the_stop_flag(number: signal.Signals) -> None:
    before = {sig: signal.getsignal(sig) for sig in (signal.SIGTERM, signal.SIGINT)}
    stopped = StopFlag()
    try:
        stopped.install()
        assert not stopped()
        signal.raise_signal(number)
        assert stopped()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
