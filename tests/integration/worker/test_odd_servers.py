"""Servers that are within the letter of HTTP, or nearly, and do what few others do."""

import gzip
import hashlib
import random
import sys
from typing import Any

import brotli
import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY
from download_worker.http.curl import MAX_INTERIM
from tests.support.attempts import Ended, Pod
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    answer,
    chunked,
    head,
    raw,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
PACKED = {
    "gzip": gzip.compress(BODY),
    "br": brotli.compress(BODY),
    "zstd": zstd.compress(BODY, options={zstd.CompressionParameter.checksum_flag: 1}),
}
CODINGS = pytest.mark.parametrize("coding", list(PACKED))
UNPACKED = {"compressed": True}


def not_modified(validator: str, body: bytes = BODY) -> Behaviour:
    """Answer 304 to whoever asks on a condition, whatever it is."""

    def behave(exchange: Exchange) -> None:
        if "If-None-Match" in exchange.head or "If-Modified-Since" in exchange.head:
            exchange.send(head("304 Not Modified", validator))
        else:
            answer(200, body, validator, "Content-Type: text/html")(exchange)

    return behave


def interim_for_ever(pause: float) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        while not exchange.closing.wait(pause):
            exchange.send(INTERIM)

    return behave


@pytest.mark.parametrize("pause", [0, 0.005])
def test_interim_answers_for_ever_end_the_attempt(
    pod: Pod, server: FaultServer, pause: float
) -> None:
    ended = pod.run(server.on("/x", interim_for_ever(pause)))
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "BadResponse"), ended.out
    assert "interim answers" in (ended.result.message or "")
    assert pod.files() == {}


def test_as_many_interim_answers_as_the_guide_says_are_waited_for(
    pod: Pod, server: FaultServer
) -> None:
    def behave(exchange: Exchange) -> None:
        exchange.send(INTERIM * MAX_INTERIM)
        answer(200, b"hello")(exchange)

    assert pod.run(server.on("/x", behave)).code == EXIT_DONE


def test_a_server_that_takes_its_time_and_says_so_is_waited_for(
    pod: Pod, server: FaultServer
) -> None:
    def slow(exchange: Exchange) -> None:
        for _ in range(8):
            exchange.send(INTERIM)
            exchange.closing.wait(0.5)
        answer(200)(exchange)

    pod.stall_seconds = 3
    assert pod.run(server.on("/x", slow)).code == EXIT_DONE


def packed_as(coding: str, body: bytes) -> Behaviour:
    return answer(200, body, f"Content-Encoding: {coding}")


@CODINGS
@pytest.mark.parametrize("kept", [1.0, 0.5, 0.0], ids=["no end", "half", "begun"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_packed_body_cut_inside_its_framing_is_not_kept(
    pod: Pod, server: FaultServer, coding: str, kept: float, framing: str
) -> None:
    """What carries it is complete: only the packing itself tells."""
    packed = PACKED[coding][: max(int(len(PACKED[coding]) * kept) - 1, 10)]
    cut = packed_as(coding, packed)
    if framing == "chunks":
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
        told = f"Content-Encoding: {coding}", "Transfer-Encoding: chunked"
        cut = raw(head("200 OK", *told) + framed)
    url = server.on("/x", cut, packed_as(coding, PACKED[coding]))
    ended = pod.run(url, request=UNPACKED)
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "IncompleteBody"), ended.out
    assert pod.files() == {}
    assert pod.run(url, request=UNPACKED).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]


@CODINGS
def test_a_packed_body_of_any_size_comes_whole(pod: Pod, server: FaultServer, coding: str) -> None:
    body = random.Random(3).randbytes(3_000_000) + bytes(3_000_000)
    pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}[coding]
    assert pod.run(server.on("/x", packed_as(coding, pack(body))), request=UNPACKED).code == 0
    assert list(pod.files().values()) == [body]
    assert "Accept-Encoding: gzip, br, zstd\r\n" in server.heads[0]


@CODINGS
def test_a_packed_bomb_stops_at_max_bytes(pod: Pod, server: FaultServer, coding: str) -> None:
    pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}[coding]
    url = server.on("/x", packed_as(coding, pack(bytes(60_000_000))))
    limits = {"maxBytes": 50_000_000}
    ended = pod.run(url, request=UNPACKED, verify=limits, path=None)
    assert (ended.code, ended.result.reason) == (EXIT_PERMANENT, "TooLarge"), ended.out
    assert pod.files() == {}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packings_that_follow_each_other_are_one_body(
    pod: Pod, server: FaultServer, coding: str
) -> None:
    url = server.on("/x", packed_as(coding, PACKED[coding] * 2))
    assert pod.run(url, request=UNPACKED).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY * 2]


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", BODY), ("br", b"\xff" * 100), ("zstd", BODY), ("compress", BODY), ("gzip, br", BODY)],
)
def test_what_is_not_packed_as_told_is_not_kept(
    pod: Pod, server: FaultServer, coding: str, body: bytes
) -> None:
    ended = pod.run(server.on("/x", packed_as(coding, body)), request=UNPACKED)
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "BadResponse"), ended.out
    assert "write request.compressed: false" in (ended.result.message or "")
    assert pod.files() == {}


@pytest.mark.parametrize("field", ["Content-Encoding", "Content-Type"])
def test_nothing_of_a_server_reaches_a_terminal_as_an_order(
    pod: Pod, server: FaultServer, field: str
) -> None:
    url = server.on("/x", answer(200, BODY, f"{field}: \x1b]0\x07\x9b31m"))
    ended = pod.run(url, request=UNPACKED, verify={"contentTypes": ["text/csv"]})
    assert ended.code != EXIT_DONE
    assert ended.out.replace("\n", "").isprintable(), repr(ended.out)


def test_nothing_at_all_needs_no_packing(pod: Pod, server: FaultServer) -> None:
    assert pod.run(server.on("/x", packed_as("gzip", b"")), request=UNPACKED).code == EXIT_DONE
    assert list(pod.files().values()) == [b""]


def test_a_wish_of_ones_own_is_not_doubled(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", packed_as("gzip", PACKED["gzip"]))
    wish = {"headers": [{"name": "accept-encoding", "value": "gzip"}], "compressed": True}
    assert pod.run(url, request=wish).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    assert server.heads[0].lower().count("accept-encoding") == 1


@pytest.mark.parametrize("etag", ['"caf\xe9"', '"\u65e5\u672c"', 'W/"\xfc"'])
def test_an_etag_outside_ascii_is_reported_and_not_sent_back(
    pod: Pod, server: FaultServer, etag: str
) -> None:
    encoded = etag.encode("utf-8").decode("latin-1")
    url = server.on("/x", not_modified(f"ETag: {encoded}"))
    ended = [pod.run(url, only_if_changed=True) for _ in range(2)]
    assert [each.code for each in ended] == [EXIT_DONE, EXIT_DONE]
    assert (ended[0].result.etag, ended[1].result.unchanged) == (etag, True)
    assert not any("If-None-Match" in text for text in server.heads)


def test_a_post_is_not_asked_on_a_condition(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", not_modified('ETag: "one"'))
    form = {"method": "POST", "body": "a=1"}
    ended = [pod.run(url, request=form, only_if_changed=True) for _ in range(2)]
    assert [each.code for each in ended] == [EXIT_DONE, EXIT_DONE]
    assert ended[1].result.unchanged
    assert not any("If-" in text for text in server.heads)


def with_digest(pod: Pod, url: str, body: bytes, **more: Any) -> Ended:
    wanted = {"sha256": hashlib.sha256(body).hexdigest()}
    return pod.run(url, verify=wanted, only_if_changed=True, **more)


@pytest.mark.parametrize("form", ["raw", "html"])
def test_not_modified_does_not_stand_in_for_another_digest(
    pod: Pod, server: FaultServer, form: str
) -> None:
    """The file kept is not the one that is wanted now: it is asked for without condition."""
    url = server.on("/x", not_modified('ETag: "one"', b"<html>1"))
    assert with_digest(pod, url, b"<html>1", form=form).code == EXIT_DONE
    assert with_digest(pod, url, b"<html>1", form=form).result.unchanged
    ended = with_digest(pod, url, b"<html>2", form=form)
    assert (ended.code, ended.result.reason) == (EXIT_PERMANENT, "ChecksumMismatch"), ended.out
    assert "If-None-Match" not in server.heads[-1]


def test_not_modified_that_nobody_asked_for_is_no_file(pod: Pod, server: FaultServer) -> None:
    ended = pod.run(server.on("/x", raw(head("304 Not Modified"))), only_if_changed=True)
    assert (ended.code, ended.result.reason) == (EXIT_PERMANENT, "HTTPStatus"), ended.out
    assert pod.files() == {}


@pytest.mark.parametrize(
    ("validator", "request_"),
    [("X-No: validator", {}), ('ETag: "one"', {"method": "POST", "body": "a=1"})],
)
def test_not_modified_without_a_condition_is_no_answer(
    pod: Pod, server: FaultServer, validator: str, request_: dict[str, str]
) -> None:
    url = server.on("/x", answer(200, BODY, validator), raw(head("304 Not Modified")))
    ended = [pod.run(url, only_if_changed=True, request=request_) for _ in range(2)]
    assert [each.code for each in ended] == [EXIT_DONE, EXIT_PERMANENT], ended[1].out
    assert not any("If-" in text for text in server.heads)


def test_chunks_of_no_end_are_incomplete(pod: Pod, server: FaultServer) -> None:
    ended = pod.run(server.on("/x", chunked(BODY, end=b"")))
    assert (ended.code, ended.result.reason) == (EXIT_RETRY, "IncompleteBody"), ended.out


@pytest.mark.parametrize(
    ("length", "code", "reason"),
    [("9" * 5000, EXIT_PERMANENT, "TooLarge"), ("0" * 5000 + str(len(BODY)), EXIT_DONE, None)],
)
def test_a_length_of_any_number_of_digits_is_read(
    pod: Pod, server: FaultServer, length: str, code: int, reason: str | None
) -> None:
    told = raw(head("200 OK", f"Content-Length: {length}") + BODY)
    ended = pod.run(server.on("/x", told))
    assert (ended.code, ended.result.reason) == (code, reason), ended.out
