"""An attempt resumes where an earlier one ended, and never with the wrong bytes."""

import hashlib
import random
import re
import signal
import time
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, EXIT_STOPPED
from tests.support.attempts import Pod, fetch
from tests.support.http_faults import Behaviour, Exchange, FaultServer, respond, response_head
from tests.support.http_ranges import ETAG, LARGE, ranged, requested_ranges
from tools.cluster.kubectl import wait_for


def test_cut_body_is_completed_by_later_attempts(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=2_000_000), ranged(cut_after=2_000_000), ranged())
    codes = [pod.run(url).code for _ in range(3)]
    assert codes == [EXIT_RETRY, EXIT_RETRY, EXIT_DONE]
    assert list(pod.files().values()) == [LARGE]
    assert requested_ranges(server) == [None, 1_999_999, 3_999_998]
    assert pod.partial_files() == []


def test_later_run_of_the_schedule_resumes(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=100), ranged())
    assert pod.run(url, DOWNLOAD_JOB="nightly-29923320").code == EXIT_RETRY
    attempt = pod.run(url, DOWNLOAD_JOB="nightly-29923321")
    assert (attempt.code, attempt.result.httpStatus, attempt.result.bytes) == (0, 206, len(LARGE))
    assert attempt.result.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert requested_ranges(server) == [None, 99]


def test_another_schedule_or_url_does_not_resume(server: FaultServer, pod: Pod) -> None:
    pod.run(server.on("/x", ranged(cut_after=1000)))
    pod.run(server.on("/y", ranged()))
    pod.run(server.on("/x", ranged(cut_after=1000)), name="other")
    assert requested_ranges(server) == [None, None, None]


def test_killed_attempt_loses_at_most_the_last_mebibyte(server: FaultServer, pod: Pod) -> None:
    def send_and_hang(exchange: Exchange) -> None:
        exchange.send(
            response_head("200 OK", ETAG, f"Content-Length: {len(LARGE)}") + LARGE[:5_000_000]
        )
        exchange.hang()

    url = server.on("/x", send_and_hang, ranged())
    process = pod.start(url)
    wait_for("bytes", lambda: sum(path.stat().st_size for path in pod.partial_files()) >= 4_000_000)
    process.kill()
    pod.finish(process)
    assert pod.run(url).code == EXIT_DONE
    assert list(pod.files().values()) == [LARGE]
    (_, start) = requested_ranges(server)
    assert start
    assert start >= 4_000_000 - 1


def test_stopped_attempt_leaves_all_its_bytes(server: FaultServer, pod: Pod) -> None:
    def send_and_hang(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", ETAG, f"Content-Length: {len(LARGE)}") + LARGE[:1000])
        exchange.hang()

    url = server.on("/x", send_and_hang, ranged())
    process = pod.start(url)
    wait_for("the partial file", pod.partial_files)
    process.send_signal(signal.SIGTERM)
    assert pod.finish(process).code == EXIT_STOPPED
    assert pod.run(url).code == EXIT_DONE
    assert requested_ranges(server) == [None, 999]
    assert list(pod.files().values()) == [LARGE]


OTHER = bytes(reversed(LARGE))


@pytest.mark.parametrize(
    ("second", "requests"),
    [
        (ranged(OTHER, validator='ETag: "v2"'), [None, 999]),
        (respond(200, OTHER, 'ETag: "v2"'), [None, 999]),
        (respond(200, OTHER), [None, 999]),
        (ranged(OTHER, shift=1), [None, 999, None]),
        (ranged(OTHER + b"x"), [None, 999, None]),
        (ranged(OTHER, 'ETag: "v2"', validator=ETAG), [None, 999]),
        (ranged(OTHER, status=416), [None, 999, None]),
        (ranged(OTHER, status=200), [None, 999, None]),
    ],
    ids=["new ETag", "no ranges", "no ETag", "wrong range", "longer", "double ETag", "416", "200"],
)
def test_response_that_does_not_fit_restarts_the_download(
    server: FaultServer, pod: Pod, second: Behaviour, requests: list[int | None]
) -> None:
    url = server.on("/x", ranged(cut_after=1000), second)
    assert pod.run(url).code == EXIT_RETRY
    attempt = pod.run(url)
    assert requested_ranges(server) == requests
    assert attempt.code == EXIT_DONE, attempt.out
    (body,) = pod.files().values()
    assert body in (OTHER, OTHER + b"x", LARGE[:999] + OTHER[999:])
    assert pod.partial_files() == []


def test_wrong_digest_of_a_resumed_file_restarts_the_download(
    server: FaultServer, pod: Pod
) -> None:
    url = server.on("/x", ranged(cut_after=1000), ranged(OTHER))
    verify = {"sha256": hashlib.sha256(OTHER).hexdigest()}
    assert pod.run(url, verify=verify).code == EXIT_RETRY
    attempt = pod.run(url, verify=verify)
    assert (attempt.code, requested_ranges(server)) == (EXIT_DONE, [None, 999, None]), attempt.out
    assert list(pod.files().values()) == [OTHER]
    assert pod.partial_files() == []


def test_partial_response_with_another_etag_is_not_appended(server: FaultServer, pod: Pod) -> None:
    def send_other_version(exchange: Exchange) -> None:
        asked = re.search(r"^Range: bytes=(\d+)-", exchange.request, re.MULTILINE)
        start = int(asked[1]) if asked else 0
        lines = ['ETag: "v2"', f"Content-Length: {len(OTHER) - start}"]
        lines += [f"Content-Range: bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"] if start else []
        exchange.send(response_head("206 Part" if start else "200 OK", *lines) + OTHER[start:])

    url = server.on("/x", ranged(cut_after=1000), send_other_version)
    pod.run(url)
    assert pod.run(url).code == EXIT_DONE
    assert list(pod.files().values()) == [OTHER]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ('ETag: W/"weak"',),
        ("Last-Modified: Mon, 23 Nov 2026 02:00:00 GMT",),
        (ETAG, "Accept-Ranges: none"),
        (ETAG, "Content-Encoding: gzip"),
    ],
    ids=["nothing", "weak", "date without a clock", "no ranges", "encoded"],
)
def test_file_without_a_strong_validator_is_not_resumed(
    server: FaultServer, pod: Pod, headers: tuple[str, ...]
) -> None:
    beginning = response_head("200 OK", f"Content-Length: {len(LARGE)}", *headers) + LARGE[:1000]
    url = server.on("/x", lambda exchange: exchange.send(beginning), respond(200, LARGE))
    assert pod.run(url).code == EXIT_RETRY
    assert pod.partial_files() == []
    assert pod.run(url).code == EXIT_DONE
    assert requested_ranges(server) == [None, None]


def test_file_with_a_strong_date_is_resumed(server: FaultServer, pod: Pod) -> None:
    modified = "Last-Modified: Mon, 23 Nov 2026 02:00:00 GMT"
    dated = ranged(LARGE, "Date: Mon, 23 Nov 2026 03:00:00 GMT", cut_after=10, validator=modified)
    url = server.on("/x", dated, ranged(validator=modified))
    assert [pod.run(url).code for _ in range(2)] == [EXIT_RETRY, EXIT_DONE]
    assert requested_ranges(server) == [None, 9]


def test_post_and_decoded_body_are_not_resumed(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=1000))
    for request in ({"method": "POST", "body": "x"}, {"compressed": True}):
        pod.run(url, request=request)
        pod.run(url, request=request)
    assert set(requested_ranges(server)) <= {None}


def test_permanent_failure_leaves_nothing(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged())
    assert pod.run(url, verify={"sha256": "0" * 64}).code == EXIT_PERMANENT
    assert pod.partial_files() == []
    assert pod.files() == {}


def test_failed_attempt_in_between_leaves_the_partial_file(server: FaultServer, pod: Pod) -> None:
    """A plain request fails too, so the partial file is not at fault."""
    url = server.on("/x", ranged(cut_after=1000), *[respond(503, b"")] * 6, ranged())
    codes = [pod.run(url).code for _ in range(5)]
    assert codes == [EXIT_RETRY, EXIT_RETRY, EXIT_RETRY, EXIT_RETRY, EXIT_DONE]
    assert requested_ranges(server) == [None, 999, None, 999, None, 999, None, 999]


def test_limits_count_bytes_of_earlier_attempts(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=1_000_000), ranged())
    pod.run(url)
    attempt = pod.run(url, verify={"maxBytes": len(LARGE) - 1})
    assert attempt.outcome == (EXIT_PERMANENT, "TooLarge")
    assert pod.partial_files() == []


def test_download_behind_a_redirect_is_resumed(server: FaultServer, pod: Pod) -> None:
    server.on("/2", ranged(cut_after=1000), ranged())
    url = server.on("/1", respond(302, b"", "Location: /2"))
    assert [pod.run(url).code for _ in range(2)] == [EXIT_RETRY, EXIT_DONE]
    assert requested_ranges(server) == [None, None, 999, 999]


def test_command_line_resumes(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", ranged(cut_after=1000), ranged())
    assert fetch(url, tmp_path / "x").code == EXIT_RETRY
    assert fetch(url, tmp_path / "x").code == EXIT_DONE
    assert (tmp_path / "x").read_bytes() == LARGE
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert requested_ranges(server) == [None, 999]


def test_body_that_ends_with_the_connection_is_marked(server: FaultServer, pod: Pod) -> None:
    def send_without_length(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")

    def send_identity(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", "Transfer-Encoding: identity") + b"hello")

    def send_invalid_length(exchange: Exchange) -> None:
        exchange.send(response_head("200 OK", "Content-Length : 9") + b"hello")

    url = server.on("/x", send_without_length, send_identity, send_invalid_length, respond(200))
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified is None


ROUNDS = 60


def test_file_is_right_or_absent_after_kills_and_cuts(server: FaultServer, pod: Pod) -> None:
    """Cuts, other versions, wrong ranges and SIGKILL, at random."""
    rng = random.Random(20261124)
    versions = [random.Random(number).randbytes(3_000_000) for number in range(2)]

    def behave(exchange: Exchange) -> None:
        number = rng.randrange(2) if rng.random() < 0.2 else 0
        shift = rng.choice([0, 0, 0, 1])
        ranged(
            versions[number],
            cut_after=rng.choice([None, 1, 500_000, 1_500_000, 2_999_999]),
            shift=shift,
            validator=f'ETag: "v{number}"',
        )(exchange)

    url = server.on("/x", behave)
    successes = 0
    for _ in range(ROUNDS):
        process = pod.start(url)
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0.05, 0.4))
            process.kill()
        successes += pod.finish(process).code == EXIT_DONE
        for path, body in pod.files().items():
            assert ".part" in path or body in versions
    assert successes
    assert len(pod.partial_files()) <= 2
