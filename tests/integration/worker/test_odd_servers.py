"""Servers that keep to the letter of HTTP, or nearly, and do what few others do."""

import gzip
import hashlib
import random
import sys
from typing import Any

import brotli
import pytest

from download_schedule.attempt.result import EXIT_DONE, EXIT_PERMANENT, EXIT_RETRY
from download_worker.http.head_parser import MAX_INTERIM
from tests.support.attempts import FinishedAttempt, Pod
from tests.support.http_faults import (
    BODY,
    Behaviour,
    Exchange,
    FaultServer,
    chunked,
    respond,
    response_head,
    send,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
COMPRESSED = {
    "gzip": gzip.compress(BODY),
    "br": brotli.compress(BODY),
    "zstd": zstd.compress(BODY, options={zstd.CompressionParameter.checksum_flag: 1}),
}
COMPRESSORS = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}
CODINGS = pytest.mark.parametrize("coding", list(COMPRESSED))
DECODED = {"compressed": True}


def not_modified(validator: str, body: bytes = BODY) -> Behaviour:
    """Respond 304 to every conditional request."""

    def behave(exchange: Exchange) -> None:
        if "If-None-Match" in exchange.request or "If-Modified-Since" in exchange.request:
            exchange.send(response_head("304 Not Modified", validator))
        else:
            respond(200, body, validator, "Content-Type: text/html")(exchange)

    return behave


def endless_interim_responses(pause: float) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        while not exchange.closing.wait(pause):
            exchange.send(INTERIM)

    return behave


@pytest.mark.parametrize("pause", [0, 0.005])
def test_endless_interim_responses_end_the_attempt(
    pod: Pod, server: FaultServer, pause: float
) -> None:
    attempt = pod.run(server.on("/x", endless_interim_responses(pause)))
    assert attempt.outcome == (EXIT_RETRY, "BadResponse"), attempt.out
    assert "interim responses" in (attempt.result.message or "")
    assert pod.files() == {}


def test_interim_responses_up_to_the_limit_are_accepted(pod: Pod, server: FaultServer) -> None:
    def behave(exchange: Exchange) -> None:
        exchange.send(INTERIM * MAX_INTERIM)
        respond(200, b"hello")(exchange)

    assert pod.run(server.on("/x", behave)).code == EXIT_DONE


def test_interim_responses_reset_the_stall_timeout(pod: Pod, server: FaultServer) -> None:
    def slow(exchange: Exchange) -> None:
        for _ in range(8):
            exchange.send(INTERIM)
            exchange.closing.wait(0.5)
        respond(200)(exchange)

    pod.stall_seconds = 3
    assert pod.run(server.on("/x", slow)).code == EXIT_DONE


def respond_in(coding: str, body: bytes) -> Behaviour:
    return respond(200, body, f"Content-Encoding: {coding}")


@CODINGS
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0], ids=["no end", "half", "begun"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_compressed_body_cut_before_its_framing_is_not_saved(
    pod: Pod, server: FaultServer, coding: str, share: float, framing: str
) -> None:
    """The framing is complete, and only the coding itself shows the cut."""
    content = COMPRESSED[coding][: max(int(len(COMPRESSED[coding]) * share) - 1, 10)]
    cut = respond_in(coding, content)
    if framing == "chunks":
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
        headers = f"Content-Encoding: {coding}", "Transfer-Encoding: chunked"
        cut = send(response_head("200 OK", *headers) + framed)
    url = server.on("/x", cut, respond_in(coding, COMPRESSED[coding]))
    attempt = pod.run(url, request=DECODED)
    assert attempt.outcome == (EXIT_RETRY, "IncompleteBody"), attempt.out
    assert pod.files() == {}
    assert pod.run(url, request=DECODED).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]


@CODINGS
def test_compressed_body_is_saved_decoded(pod: Pod, server: FaultServer, coding: str) -> None:
    body = random.Random(3).randbytes(3_000_000) + bytes(3_000_000)
    compress = COMPRESSORS[coding]
    assert pod.run(server.on("/x", respond_in(coding, compress(body))), request=DECODED).code == 0
    assert list(pod.files().values()) == [body]
    assert "Accept-Encoding: gzip, br, zstd\r\n" in server.requests[0]


@CODINGS
def test_compression_bomb_stops_at_max_bytes(pod: Pod, server: FaultServer, coding: str) -> None:
    compress = COMPRESSORS[coding]
    url = server.on("/x", respond_in(coding, compress(bytes(60_000_000))))
    limits = {"maxBytes": 50_000_000}
    attempt = pod.run(url, request=DECODED, verify=limits, path=None)
    assert attempt.outcome == (EXIT_PERMANENT, "TooLarge"), attempt.out
    assert pod.files() == {}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_concatenated_streams_are_one_body(pod: Pod, server: FaultServer, coding: str) -> None:
    url = server.on("/x", respond_in(coding, COMPRESSED[coding] * 2))
    assert pod.run(url, request=DECODED).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY * 2]


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", BODY), ("br", b"\xff" * 100), ("zstd", BODY), ("compress", BODY), ("gzip, br", BODY)],
)
def test_body_in_another_coding_than_announced_is_not_saved(
    pod: Pod, server: FaultServer, coding: str, body: bytes
) -> None:
    attempt = pod.run(server.on("/x", respond_in(coding, body)), request=DECODED)
    assert attempt.outcome == (EXIT_RETRY, "BadResponse"), attempt.out
    assert "write request.compressed: false" in (attempt.result.message or "")
    assert pod.files() == {}


@pytest.mark.parametrize("header", ["Content-Encoding", "Content-Type"])
def test_control_characters_of_a_server_do_not_reach_the_log(
    pod: Pod, server: FaultServer, header: str
) -> None:
    url = server.on("/x", respond(200, BODY, f"{header}: \x1b]0\x07\x9b31m"))
    attempt = pod.run(url, request=DECODED, verify={"contentTypes": ["text/csv"]})
    assert attempt.code != EXIT_DONE
    assert attempt.out.replace("\n", "").isprintable(), repr(attempt.out)


def test_empty_body_may_claim_to_be_compressed(pod: Pod, server: FaultServer) -> None:
    assert pod.run(server.on("/x", respond_in("gzip", b"")), request=DECODED).code == EXIT_DONE
    assert list(pod.files().values()) == [b""]


def test_accept_encoding_of_the_schedule_is_sent_once(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", respond_in("gzip", COMPRESSED["gzip"]))
    request = {"headers": [{"name": "accept-encoding", "value": "gzip"}], "compressed": True}
    assert pod.run(url, request=request).code == EXIT_DONE
    assert list(pod.files().values()) == [BODY]
    assert server.requests[0].lower().count("accept-encoding") == 1


@pytest.mark.parametrize("etag", ['"caf\xe9"', '"\u65e5\u672c"', 'W/"\xfc"'])
def test_etag_outside_ascii_is_reported_and_not_sent_back(
    pod: Pod, server: FaultServer, etag: str
) -> None:
    encoded = etag.encode("utf-8").decode("latin-1")
    url = server.on("/x", not_modified(f"ETag: {encoded}"))
    attempts = [pod.run(url, only_if_changed=True) for _ in range(2)]
    assert [attempt.code for attempt in attempts] == [EXIT_DONE, EXIT_DONE]
    assert (attempts[0].result.etag, attempts[1].result.unchanged) == (etag, True)
    assert not any("If-None-Match" in text for text in server.requests)


def test_post_is_not_conditional(pod: Pod, server: FaultServer) -> None:
    url = server.on("/x", not_modified('ETag: "one"'))
    form = {"method": "POST", "body": "a=1"}
    attempts = [pod.run(url, request=form, only_if_changed=True) for _ in range(2)]
    assert [attempt.code for attempt in attempts] == [EXIT_DONE, EXIT_DONE]
    assert attempts[1].result.unchanged
    assert not any("If-" in text for text in server.requests)


def run_with_digest(pod: Pod, url: str, body: bytes, **more: Any) -> FinishedAttempt:
    verify = {"sha256": hashlib.sha256(body).hexdigest()}
    return pod.run(url, verify=verify, only_if_changed=True, **more)


@pytest.mark.parametrize("file_format", ["raw", "html"])
def test_file_with_another_digest_than_expected_is_fetched_again(
    pod: Pod, server: FaultServer, file_format: str
) -> None:
    """The saved file is not the expected one, so the request is not conditional."""
    url = server.on("/x", not_modified('ETag: "one"', b"<html>1"))
    assert run_with_digest(pod, url, b"<html>1", file_format=file_format).code == EXIT_DONE
    assert run_with_digest(pod, url, b"<html>1", file_format=file_format).result.unchanged
    attempt = run_with_digest(pod, url, b"<html>2", file_format=file_format)
    assert attempt.outcome == (EXIT_PERMANENT, "ChecksumMismatch"), attempt.out
    assert "If-None-Match" not in server.requests[-1]


def test_unsolicited_304_is_an_error(pod: Pod, server: FaultServer) -> None:
    attempt = pod.run(
        server.on("/x", send(response_head("304 Not Modified"))), only_if_changed=True
    )
    assert attempt.outcome == (EXIT_PERMANENT, "HTTPStatus"), attempt.out
    assert pod.files() == {}


@pytest.mark.parametrize(
    ("validator", "request_"),
    [("X-No: validator", {}), ('ETag: "one"', {"method": "POST", "body": "a=1"})],
)
def test_304_to_an_unconditional_request_is_an_error(
    pod: Pod, server: FaultServer, validator: str, request_: dict[str, str]
) -> None:
    url = server.on("/x", respond(200, BODY, validator), send(response_head("304 Not Modified")))
    attempts = [pod.run(url, only_if_changed=True, request=request_) for _ in range(2)]
    assert [attempt.code for attempt in attempts] == [EXIT_DONE, EXIT_PERMANENT], attempts[1].out
    assert not any("If-" in text for text in server.requests)


def test_chunks_without_an_end_are_incomplete(pod: Pod, server: FaultServer) -> None:
    attempt = pod.run(server.on("/x", chunked(BODY, end=b"")))
    assert attempt.outcome == (EXIT_RETRY, "IncompleteBody"), attempt.out


@pytest.mark.parametrize(
    ("length", "code", "reason"),
    [("9" * 5000, EXIT_PERMANENT, "TooLarge"), ("0" * 5000 + str(len(BODY)), EXIT_DONE, None)],
)
def test_content_length_with_any_number_of_digits_is_read(
    pod: Pod, server: FaultServer, length: str, code: int, reason: str | None
) -> None:
    behaviour = send(response_head("200 OK", f"Content-Length: {length}") + BODY)
    attempt = pod.run(server.on("/x", behaviour))
    assert attempt.outcome == (code, reason), attempt.out
