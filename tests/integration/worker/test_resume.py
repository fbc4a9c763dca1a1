"""An attempt goes on where an earlier one ended, and never with the wrong bytes."""

import hashlib
import random
import re
import signal
import time
from pathlib import Path

import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY, EXIT_STOPPED
from tests.support.attempts import Pod, fetch
from tests.support.http_faults import Behaviour, Exchange, FaultServer, answer, head
from tests.support.http_ranges import ETAG, LARGE, ranged, ranges
from tests.support.kubectl import wait_for


def test_a_cut_body_is_completed_by_the_next_attempt(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=2_000_000), ranged(cut_after=2_000_000), ranged())
    codes = [pod.run(url).code for _ in range(3)]
    assert codes == [EXIT_RETRY, EXIT_RETRY, EXIT_DONE]
    assert list(pod.files().values()) == [LARGE]
    assert ranges(server) == [None, 1_999_999, 3_999_998]
    assert pod.parts() == []


def test_also_a_later_run_of_the_schedule_goes_on(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=100), ranged())
    assert pod.run(url, DOWNLOAD_JOB="nightly-29923320").code == EXIT_RETRY
    ended = pod.run(url, DOWNLOAD_JOB="nightly-29923321")
    assert (ended.code, ended.result.httpStatus, ended.result.bytes) == (0, 206, len(LARGE))
    assert ended.result.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert ranges(server) == [None, 99]


def test_another_schedule_or_url_does_not(server: FaultServer, pod: Pod) -> None:
    pod.run(server.on("/x", ranged(cut_after=1000)))
    pod.run(server.on("/y", ranged()))
    pod.run(server.on("/x", ranged(cut_after=1000)), name="other")
    assert ranges(server) == [None, None, None]


def test_killed_while_it_writes_it_has_lost_next_to_nothing(server: FaultServer, pod: Pod) -> None:
    def stalls(exchange: Exchange) -> None:
        exchange.send(head("200 OK", ETAG, f"Content-Length: {len(LARGE)}") + LARGE[:5_000_000])
        exchange.hang()

    url = server.on("/x", stalls, ranged())
    process = pod.start(url)
    wait_for("bytes", lambda: sum(path.stat().st_size for path in pod.parts()) >= 4_000_000)
    process.kill()
    pod.end(process)
    assert pod.run(url).code == EXIT_DONE
    assert list(pod.files().values()) == [LARGE]
    (_, start) = ranges(server)
    assert start
    assert start >= 4_000_000 - 1


def test_told_to_stop_it_leaves_what_it_has(server: FaultServer, pod: Pod) -> None:
    def stalls(exchange: Exchange) -> None:
        exchange.send(head("200 OK", ETAG, f"Content-Length: {len(LARGE)}") + LARGE[:1000])
        exchange.hang()

    url = server.on("/x", stalls, ranged())
    process = pod.start(url)
    wait_for("the part", pod.parts)
    process.send_signal(signal.SIGTERM)
    assert pod.end(process).code == EXIT_STOPPED
    assert pod.run(url).code == EXIT_DONE
    assert ranges(server) == [None, 999]
    assert list(pod.files().values()) == [LARGE]


OTHER = bytes(reversed(LARGE))


@pytest.mark.parametrize(
    ("second", "requests"),
    [
        (ranged(OTHER, validator='ETag: "v2"'), [None, 999]),
        (answer(200, OTHER, 'ETag: "v2"'), [None, 999]),
        (answer(200, OTHER), [None, 999]),
        (ranged(OTHER, shift=1), [None, 999, None]),
        (ranged(OTHER + b"x"), [None, 999, None]),
        (ranged(OTHER, 'ETag: "v2"', validator=ETAG), [None, 999]),
        (ranged(OTHER, status=416), [None, 999, None]),
        (ranged(OTHER, status=200), [None, 999, None]),
    ],
    ids=["new ETag", "no ranges", "no ETag", "wrong range", "longer", "double ETag", "416", "200"],
)
def test_a_server_that_changes_its_mind_is_asked_for_everything(
    server: FaultServer, pod: Pod, second: Behaviour, requests: list[int | None]
) -> None:
    def once(exchange: Exchange) -> None:
        ranged(cut_after=1000)(exchange)

    url = server.on("/x", once, second)
    assert pod.run(url).code == EXIT_RETRY
    ended = pod.run(url)
    assert ranges(server) == requests
    assert ended.code == EXIT_DONE, ended.out
    (kept,) = pod.files().values()
    assert kept in (OTHER, OTHER + b"x", LARGE[:999] + OTHER[999:])
    assert pod.parts() == []


def test_two_versions_under_one_etag_are_not_held_against_the_file(
    server: FaultServer, pod: Pod
) -> None:
    url = server.on("/x", ranged(cut_after=1000), ranged(OTHER))
    verify = {"sha256": hashlib.sha256(OTHER).hexdigest()}
    assert pod.run(url, verify=verify).code == EXIT_RETRY
    ended = pod.run(url, verify=verify)
    assert (ended.code, ranges(server)) == (EXIT_DONE, [None, 999, None]), ended.out
    assert list(pod.files().values()) == [OTHER]
    assert pod.parts() == []


def test_a_part_with_another_etag_is_not_appended(server: FaultServer, pod: Pod) -> None:
    def lies(exchange: Exchange) -> None:
        wanted = re.search(r"^Range: bytes=(\d+)-", exchange.head, re.MULTILINE)
        start = int(wanted[1]) if wanted else 0
        lines = ['ETag: "v2"', f"Content-Length: {len(OTHER) - start}"]
        lines += [f"Content-Range: bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"] if start else []
        exchange.send(head("206 Part" if start else "200 OK", *lines) + OTHER[start:])

    url = server.on("/x", ranged(cut_after=1000), lies)
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
def test_without_a_strong_validator_it_begins_anew(
    server: FaultServer, pod: Pod, headers: tuple[str, ...]
) -> None:
    cut = head("200 OK", f"Content-Length: {len(LARGE)}", *headers) + LARGE[:1000]
    url = server.on("/x", lambda exchange: exchange.send(cut), answer(200, LARGE))
    assert pod.run(url).code == EXIT_RETRY
    assert pod.parts() == []
    assert pod.run(url).code == EXIT_DONE
    assert ranges(server) == [None, None]


def test_a_date_older_than_the_answer_will_do(server: FaultServer, pod: Pod) -> None:
    modified = "Last-Modified: Mon, 23 Nov 2026 02:00:00 GMT"
    dated = ranged(LARGE, "Date: Mon, 23 Nov 2026 03:00:00 GMT", cut_after=10, validator=modified)
    url = server.on("/x", dated, ranged(validator=modified))
    assert [pod.run(url).code for _ in range(2)] == [EXIT_RETRY, EXIT_DONE]
    assert ranges(server) == [None, 9]


def test_a_post_and_a_decoded_body_begin_anew(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=1000))
    for request in ({"method": "POST", "body": "x"}, {"compressed": True}):
        pod.run(url, request=request)
        pod.run(url, request=request)
    assert set(ranges(server)) <= {None}


def test_a_failure_for_good_leaves_nothing(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged())
    assert pod.run(url, verify={"sha256": "0" * 64}).code == EXIT_PERMANENT
    assert pod.parts() == []
    assert pod.files() == {}


def test_an_error_in_between_costs_nothing(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=1000), answer(503, b""), ranged())
    assert [pod.run(url).code for _ in range(3)] == [EXIT_RETRY, EXIT_RETRY, EXIT_DONE]
    assert ranges(server) == [None, 999, 999]


def test_limits_count_what_was_there(server: FaultServer, pod: Pod) -> None:
    url = server.on("/x", ranged(cut_after=1_000_000), ranged())
    pod.run(url)
    ended = pod.run(url, verify={"maxBytes": len(LARGE) - 1})
    assert (ended.code, ended.result.reason) == (EXIT_PERMANENT, "TooLarge")
    assert pod.parts() == []


def test_what_a_redirect_leads_to_is_gone_on_with(server: FaultServer, pod: Pod) -> None:
    server.on("/2", ranged(cut_after=1000), ranged())
    url = server.on("/1", answer(302, b"", "Location: /2"))
    assert [pod.run(url).code for _ in range(2)] == [EXIT_RETRY, EXIT_DONE]
    assert ranges(server) == [None, None, 999, 999]


def test_by_hand_too(server: FaultServer, tmp_path: Path) -> None:
    url = server.on("/x", ranged(cut_after=1000), ranged())
    assert fetch(url, tmp_path / "x").code == EXIT_RETRY
    assert fetch(url, tmp_path / "x").code == EXIT_DONE
    assert (tmp_path / "x").read_bytes() == LARGE
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert ranges(server) == [None, 999]


def test_a_body_that_ends_with_the_connection_is_marked(server: FaultServer, pod: Pod) -> None:
    def open_ended(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")

    def no_coding(exchange: Exchange) -> None:
        exchange.send(head("200 OK", "Transfer-Encoding: identity") + b"hello")

    def no_length(exchange: Exchange) -> None:
        exchange.send(head("200 OK", "Content-Length : 9") + b"hello")

    url = server.on("/x", open_ended, no_coding, no_length, answer(200))
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified
    assert pod.run(url).result.lengthUnverified is None


ROUNDS = 60


def test_whatever_kills_it_the_file_is_right_or_absent(server: FaultServer, pod: Pod) -> None:
    """Cuts, other versions, lies about ranges and SIGKILL at random moments."""
    chance = random.Random(20261124)
    versions = [random.Random(number).randbytes(3_000_000) for number in range(2)]

    def behave(exchange: Exchange) -> None:
        number = chance.randrange(2) if chance.random() < 0.2 else 0
        shift = chance.choice([0, 0, 0, 1])
        ranged(
            versions[number],
            cut_after=chance.choice([None, 1, 500_000, 1_500_000, 2_999_999]),
            shift=shift,
            validator=f'ETag: "v{number}"',
        )(exchange)

    url = server.on("/x", behave)
    done = 0
    for _ in range(ROUNDS):
        process = pod.start(url)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0.05, 0.4))
            process.kill()
        code = pod.end(process).code
        done += code == EXIT_DONE
        for kept in pod.files().items():
            if ".part" not in kept[0]:
                assert kept[1] in versions
    assert done
    assert len(pod.parts()) <= 2
