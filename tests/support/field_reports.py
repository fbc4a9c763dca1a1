"""Reports from the field: what a server sent to some download tool, and what should come of it.

A report is one row of a table in `tests/field`. To add one, write what the server sends and what is
expected; `reproduce` does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY
from tests.support.attempts import Pod
from tests.support.http_faults import Behaviour, FaultServer


@dataclass(frozen=True)
class Outcome:
    """How an attempt ends.

    Args:
        code: its exit code.
        reason: why it failed; None for one that did not.
        advice: parts of its message.
    """

    code: int = EXIT_DONE
    reason: str | None = None
    advice: tuple[str, ...] = ()


DONE = Outcome()


def retried(reason: str, *advice: str) -> Outcome:
    """Return the outcome of an attempt after which Kubernetes starts another."""
    return Outcome(EXIT_RETRY, reason, advice)


def failed(reason: str, *advice: str) -> Outcome:
    """Return the outcome of an attempt that ends the run for good."""
    return Outcome(EXIT_PERMANENT, reason, advice)


@dataclass(frozen=True)
class Report:
    """A row: what somebody met, and what has to happen here.

    Args:
        source: the public report, such as `curl#3315`, or the section of a standard.
        situation: what the server does, in our words. It names the test.
        server: behaviours by path. The first path is the schedule's URL, and `query` follows it.
        options: arguments of `Pod.run`.
        outcomes: of the attempts, one after another, on the same volume.
        files: contents of all files that are then on the volume. None: not looked at.
        requests: for each request that the server sees, in their order, parts of its head.
        absent: for each of them, what is not in its head. Compared without regard to case, as
            `requests` is.
        query: appended to the URL.
    """

    source: str
    situation: str
    server: Mapping[str, Sequence[Behaviour]]
    options: Mapping[str, Any] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = (DONE,)
    files: tuple[bytes, ...] | None = None
    requests: tuple[tuple[str, ...], ...] | None = None
    absent: tuple[tuple[str, ...], ...] = ()
    query: str = ""

    def __str__(self) -> str:
        return self.situation


def reproduce(report: Report, pod: Pod, server: FaultServer) -> None:
    """Make the attempts of a report and check everything that it expects."""
    urls = [server.on(path, *behaviours) for path, behaviours in report.server.items()]
    for expected in report.outcomes:
        attempt = pod.run(urls[0] + report.query, **report.options)
        assert attempt.outcome == (expected.code, expected.reason), attempt.out
        for part in expected.advice:
            assert part in (attempt.result.message or "")
    if report.files is not None:
        assert sorted(pod.files().values()) == sorted(report.files)
    if report.requests is not None:
        heads = [head.lower() for head in server.requests]
        assert len(heads) == len(report.requests), server.requests
        for head, parts in zip(heads, report.requests, strict=True):
            assert all(part.lower() in head for part in parts), head
        for head, parts in zip(heads, report.absent, strict=False):
            assert not any(part.lower() in head for part in parts), head
