"""An attempt that waits for a file: what the server is asked, when, and what stays."""

import json
import re
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, EXIT_STOPPED
from download_worker.volume.manifest import FOLDER
from tests.support.attempts import Pod
from tests.support.http_faults import BODY, Behaviour, Exchange, FaultServer, respond, send
from tools.cluster.kubectl import wait_for

BY_HAND = "nightly-by-hand"
"""A run without a tick, whose wait counts from its start."""
OLD = b"of yesterday"
NEW = b"of today, and longer"
PATH = "{namespace}/{name}/x"
NO_RESPONSE = send(b"")
CHANGED: dict[str, Any] = {"path": PATH, "wait_for": {"until": "Changed"}, "DOWNLOAD_JOB": BY_HAND}


def clocked(times: list[float], behave: Behaviour) -> Behaviour:
    """Behave like this, and note when."""

    def behave_clocked(exchange: Exchange) -> None:
        times.append(time.monotonic())
        behave(exchange)

    return behave_clocked


def tick_of_now() -> tuple[datetime, str]:
    """Return the minute that began last, and the name of its Job."""
    minutes = int(time.time()) // 60
    return datetime.fromtimestamp(minutes * 60, UTC), f"nightly-{minutes}"


def test_file_is_fetched_as_soon_as_a_look_finds_it(pod: Pod, server: FaultServer) -> None:
    times: list[float] = []
    answers = [
        respond(403, b"not listed", "Retry-After: 2"),
        respond(503, b"restarting"),
        NO_RESPONSE,
        respond(404, b"not yet"),
        respond(200),
    ]
    url = server.on("/{scheduled:%Y}/x", respond(500))
    server.on(f"/{datetime.now(UTC):%Y}/x", *(clocked(times, answer) for answer in answers))

    attempt = pod.run(
        url,
        time_zone="Etc/UTC",
        wait_for={"statuses": [403, 404]},
        DOWNLOAD_JOB=BY_HAND,
    )

    assert attempt.outcome == (EXIT_DONE, None), attempt.out
    assert list(pod.files().values()) == [BODY]
    assert len({request.partition("\r\n")[0] for request in server.requests}) == 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [int(pause) for pause in pauses] == [2, 1, 1, 1]
    looks = re.findall(r"(\S+ \S+ \S+)\. Looking again at .* UTC, and until .* UTC\.", attempt.out)
    assert len(looks) == 4, attempt.out


def test_file_that_never_comes_fails_the_run_for_good(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(404, b"not yet"))
    attempt = pod.run(url, wait_for={"atMostSeconds": 2}, DOWNLOAD_JOB=BY_HAND)
    assert attempt.outcome == (EXIT_PERMANENT, "NotYet")
    assert attempt.result.httpStatus == 404
    assert "raise waitFor.atMostSeconds, or correct the url" in (attempt.result.message or "")
    assert len(server.requests) == 3
    assert not pod.files()


def test_run_of_a_past_tick_looks_once(pod: Pod, server: FaultServer) -> None:
    attempt = pod.run(server.on("/x", respond(404, b"not yet")), wait_for={})
    assert attempt.outcome == (EXIT_PERMANENT, "NotYet")
    assert "the wait for the file ends at 2026-11-23 02:10:00 UTC" in (attempt.result.message or "")
    assert len(server.requests) == 1


def test_server_that_is_down_at_the_end_of_the_wait_is_left_to_the_next_attempt(
    pod: Pod, server: FaultServer
) -> None:
    attempt = pod.run(server.on("/x", respond(502, b"")), wait_for={})
    assert attempt.outcome == (EXIT_RETRY, "HTTPStatus")


def test_transfer_that_breaks_ends_the_wait_and_is_left_to_the_next_attempt(
    pod: Pod, server: FaultServer
) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 45000\r\nETag: "1"\r\n\r\n'
    url = server.on("/x", send(head + BODY[:20_000]), respond(404, b"gone again"))
    attempt = pod.run(url, wait_for={}, DOWNLOAD_JOB=BY_HAND)
    assert attempt.outcome == (EXIT_RETRY, "IncompleteBody")
    assert len(server.requests) == 1
    assert pod.partial_files()


def nothing_left(pod: Pod, behave: Behaviour) -> Behaviour:
    """Behave like this, after a look that has left nothing."""

    def behave_then(exchange: Exchange) -> None:
        assert not pod.partial_files()
        behave(exchange)

    return behave_then


@pytest.mark.parametrize(
    ("validator", "unchanged", "condition"),
    [
        ('ETag: "1"', respond(304, b"", 'ETag: "1"'), 'If-None-Match: "1"'),
        (
            "Last-Modified: Mon, 23 Nov 2026 01:00:00 GMT",
            respond(304, b""),
            "If-Modified-Since: Mon, 23 Nov 2026 01:00:00 GMT",
        ),
        ("X-No: validator", respond(200, OLD), None),
        ('ETag: "1"', respond(200, OLD, 'ETag: "1"'), 'If-None-Match: "1"'),
    ],
    ids=["etag", "date", "digest", "etag that the server ignores"],
)
def test_changed_file_is_waited_for(
    pod: Pod, server: FaultServer, validator: str, unchanged: Behaviour, condition: str | None
) -> None:
    times: list[float] = []
    url = server.on("/x", respond(200, OLD, validator))
    assert pod.run(url, path=PATH).code == EXIT_DONE
    looks = [nothing_left(pod, unchanged), nothing_left(pod, respond(200, NEW, 'ETag: "2"'))]
    server.on("/x", *(clocked(times, look) for look in looks))

    attempt = pod.run(url, **CHANGED)

    assert attempt.outcome == (EXIT_DONE, None), attempt.out
    assert attempt.result.unchanged is None
    assert attempt.result.bytes == len(NEW)
    assert pod.files() == {"team/nightly/x": NEW}
    assert times[1] - times[0] >= 1
    assert "still has the file that was kept last. Looking again" in attempt.out
    sent = re.findall(r"If-[MN].*", "".join(server.requests))
    assert [line.strip() for line in sent] == ([condition] * 2 if condition else [])


def test_file_that_never_changes_stays_and_fails_the_run(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(200, OLD, 'ETag: "1"'), respond(304, b""))
    pod.run(url, path=PATH)
    attempt = pod.run(url, **{**CHANGED, "DOWNLOAD_JOB": "nightly-29923320"})
    assert attempt.outcome == (EXIT_PERMANENT, "NotYet")
    assert attempt.result.httpStatus == 304
    assert pod.files() == {"team/nightly/x": OLD}


def test_without_a_last_file_any_file_is_a_change(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(404, b"not yet"), respond(200, NEW))
    assert pod.run(url, **CHANGED).outcome == (EXIT_DONE, None)
    assert pod.files() == {"team/nightly/x": NEW}


def test_attempt_that_was_killed_after_it_saved_the_file_has_what_it_waited_for(
    pod: Pod, server: FaultServer
) -> None:
    url = server.on("/x", respond(200, NEW, 'ETag: "1"'), respond(304, b""))
    options = {**CHANGED, "DOWNLOAD_JOB": "nightly-29923320"}
    assert pod.run(url, **options, DOWNLOAD_RUN="a").outcome == (EXIT_DONE, None)

    again = pod.run(url, **options, DOWNLOAD_RUN="a")
    other_run = pod.run(url, **options, DOWNLOAD_RUN="b")

    assert (again.outcome, again.result.unchanged) == ((EXIT_DONE, None), True)
    assert again.result.location == "volume://data/team/nightly/x"
    assert other_run.outcome == (EXIT_PERMANENT, "NotYet")


def test_manifest_names_the_run_only_of_the_last_file_that_was_waited_for(
    pod: Pod, server: FaultServer
) -> None:
    def recorded() -> list[bool]:
        manifest = json.loads((pod.data / FOLDER / "team.nightly.json").read_text())
        return ["run" in file for file in manifest]

    url = server.on("/x", *(respond(200, b"%d" % number) for number in range(3)))
    options: dict[str, Any] = {"path": "{namespace}/{name}/{filename}-{scheduled}"}
    pod.run(url, **{**CHANGED, **options, "DOWNLOAD_JOB": "nightly-29923320"})
    assert recorded() == [True]
    pod.run(url, **{**CHANGED, **options, "DOWNLOAD_JOB": "nightly-29923321"})
    assert recorded() == [False, True]
    pod.run(url, **options, DOWNLOAD_JOB="nightly-29923322")
    assert recorded() == [False, False, False]


def wait_for_look(server: FaultServer, looks: int = 1) -> None:
    wait_for("a look", lambda: len(server.requests) >= looks)


def test_stopped_attempt_ends_at_once(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond(404, b"not yet"))
    process = pod.start(url, wait_for={"everySeconds": 3600}, DOWNLOAD_JOB=BY_HAND)
    assert process.stdout
    wait_for_line(process.stdout.readline, "Looking again")
    process.send_signal(signal.SIGTERM)
    before = time.monotonic()

    attempt = pod.finish(process)

    assert attempt.outcome == (EXIT_STOPPED, "Stopped")
    assert time.monotonic() - before < 3
    assert len(server.requests) == 1


def wait_for_line(read: Callable[[], str], text: str) -> None:
    while text not in (line := read()):
        assert line, f"no line with {text!r}"


def test_attempt_that_waits_costs_little(pod: Pod, server: FaultServer) -> None:
    """Prints what it costs. Python and the libraries are most of the memory."""
    at_requests: list[float] = []

    def not_yet(exchange: Exchange) -> None:
        at_requests.append(processor_milliseconds(process.pid))
        respond(404, b"not yet")(exchange)

    url = server.on("/x", not_yet)
    process = pod.start(url, wait_for={"everySeconds": 2}, DOWNLOAD_JOB=BY_HAND)
    assert process.stdout
    wait_for_line(process.stdout.readline, "Looking again")
    before = processor_milliseconds(process.pid)
    wait_for_line(process.stdout.readline, "Looking again")
    after = processor_milliseconds(process.pid)
    status = Path(f"/proc/{process.pid}/status").read_text()
    mebibytes = int(re.findall(r"VmRSS:\s*(\d+)", status)[0]) / 1024
    process.terminate()
    pod.finish(process)

    print(
        f"{mebibytes:.1f} MiB; processor time: {after - before:.1f} ms for two seconds of waiting "
        f"and a look, {at_requests[1] - before:.1f} ms of them before its request was received"
    )
    assert mebibytes < 48
    assert after - before < 100


def processor_milliseconds(process_id: int) -> float:
    """Return the processor time of all threads of a process."""
    threads = Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


def test_attempt_after_a_killed_one_waits_no_longer_than_the_run(
    pod: Pod, server: FaultServer
) -> None:
    """Both count from the tick."""
    url = server.on("/x", respond(404, b"not yet"))
    tick, job = tick_of_now()
    seconds = int((datetime.now(UTC) - tick).total_seconds()) + 5
    options: dict[str, Any] = {"wait_for": {"atMostSeconds": seconds}, "DOWNLOAD_JOB": job}
    killed = pod.start(url, **options)
    wait_for_look(server)
    killed.kill()
    killed.communicate()

    attempt = pod.run(url, **options)

    ends_at = tick + timedelta(seconds=seconds)
    assert attempt.outcome == (EXIT_PERMANENT, "NotYet")
    assert f"ends at {ends_at:%Y-%m-%d %H:%M:%S} UTC" in (attempt.result.message or "")
    assert datetime.now(UTC) - ends_at < timedelta(seconds=10)
