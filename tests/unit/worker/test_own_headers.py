"""Which headers the worker adds, and which failures it takes for a refusal of them."""

import pytest

from download_schedule.attempt.task import Method
from download_worker.errors import DownloadError, Reason
from download_worker.http.messages import Request, Response
from download_worker.http.validators import PreviousFile
from download_worker.own_headers import (
    PLAIN,
    OwnHeaders,
    choose_own_headers,
    is_no_answer,
    may_be_refusal,
)
from tests.unit.worker.test_resume import ResumePointStub

URL = "http://example.com/x"
PREVIOUS = PreviousFile("0" * 64, '"v1"', None, None)
CODING = (("Accept-Encoding", "gzip, br, zstd"),)
CONDITION = (("If-None-Match", '"v1"'),)
RANGE = (("Range", "bytes=4-"), ("If-Range", '"v1"'))
ALL = OwnHeaders(CODING, CONDITION, RANGE)
BEFORE_A_REQUEST = {
    Reason.ADDRESS_REFUSED,
    Reason.CONNECT_TIMEOUT,
    Reason.CONNECTION_FAILED,
    Reason.HOST_NOT_FOUND,
    Reason.INVALID_URL,
    Reason.PORT_REFUSED,
    Reason.STOPPED,
    Reason.TLS_FAILED,
}


def choose(*names: str, method: Method = Method.GET) -> OwnHeaders:
    headers = tuple((name, "x") for name in names)
    request = Request(URL, headers, method)
    return choose_own_headers(
        request, compressed=True, previous=PREVIOUS, resume_point=ResumePointStub()
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ALL),
        (("ACCEPT-encoding",), OwnHeaders((), CONDITION, RANGE)),
        (("if-none-match",), OwnHeaders(CODING, (), RANGE)),
        (("If-Modified-Since",), OwnHeaders(CODING, (), RANGE)),
        (("range",), OwnHeaders(CODING, CONDITION, ())),
        (("If-Range",), OwnHeaders(CODING, CONDITION, ())),
        (("Accept", "Cookie"), ALL),
    ],
)
def test_header_of_the_schedule_stays_alone(names: tuple[str, ...], expected: OwnHeaders) -> None:
    assert choose(*names) == expected


def test_post_is_neither_conditional_nor_resumed() -> None:
    assert choose(method=Method.POST) == OwnHeaders(coding=CODING)


def test_plain_request_has_nothing_of_ours() -> None:
    request = Request(URL)
    nothing = choose_own_headers(request, compressed=False, previous=None, resume_point=None)
    assert nothing == PLAIN
    assert not PLAIN.lines
    assert ALL.names == "Accept-Encoding, If-None-Match, Range, If-Range"


@pytest.mark.parametrize("reason", Reason)
def test_nothing_is_refused_where_nothing_is_ours(reason: Reason) -> None:
    error = DownloadError(reason, "", 500)
    assert not may_be_refusal(error, Method.GET, PLAIN, received=False)


@pytest.mark.parametrize("reason", sorted(BEFORE_A_REQUEST))
def test_failure_before_a_request_is_no_refusal(reason: Reason) -> None:
    assert not may_be_refusal(DownloadError(reason, ""), Method.GET, ALL, received=False)


@pytest.mark.parametrize(
    "reason",
    [
        Reason.BAD_RESPONSE,
        Reason.CONNECTION_LOST,
        Reason.HTTP_STATUS,
        Reason.INCOMPLETE_BODY,
        Reason.STALLED,
        Reason.WRONG_TYPE,
    ],
)
@pytest.mark.parametrize("own", [OwnHeaders(CODING), OwnHeaders(range=RANGE)], ids=["gzip", "part"])
def test_bad_answer_may_be_a_refusal_until_a_body_begins(reason: Reason, own: OwnHeaders) -> None:
    error = DownloadError(reason, "", 500)
    assert may_be_refusal(error, Method.GET, own, received=False)
    is_about_coding = bool(own.coding) and reason is Reason.BAD_RESPONSE
    assert may_be_refusal(error, Method.GET, own, received=True) == is_about_coding


@pytest.mark.parametrize(
    ("reason", "status", "expected"),
    [
        (Reason.HTTP_STATUS, 400, True),
        (Reason.HTTP_STATUS, 406, True),
        (Reason.HTTP_STATUS, 499, True),
        (Reason.HTTP_STATUS, 500, False),
        (Reason.HTTP_STATUS, 399, False),
        (Reason.CONNECTION_LOST, None, False),
        (Reason.BAD_RESPONSE, 406, False),
    ],
)
def test_post_was_refused_only_if_the_client_is_at_fault(
    reason: Reason, status: int | None, expected: bool
) -> None:
    error = DownloadError(reason, "", status)
    assert may_be_refusal(error, Method.POST, OwnHeaders(CODING), received=False) == expected


@pytest.mark.parametrize(
    ("status", "own", "expected"),
    [
        (200, ALL, False),
        (203, ALL, False),
        (206, ALL, False),
        (204, OwnHeaders(condition=CONDITION), True),
        (205, OwnHeaders(range=RANGE), True),
        (204, OwnHeaders(CODING), False),
        (204, PLAIN, False),
    ],
)
def test_success_without_a_body_is_no_answer_to_a_condition_or_range(
    status: int, own: OwnHeaders, expected: bool
) -> None:
    assert is_no_answer(Response(URL, "1.1", status), own) == expected


@pytest.mark.parametrize(("length", "expected"), [("0", True), ("1", False)])
def test_empty_file_is_no_answer_to_a_condition_or_range(length: str, expected: bool) -> None:
    response = Response(URL, "1.1", 200, {"content-length": length})
    assert is_no_answer(response, OwnHeaders(range=RANGE)) == expected
    assert is_no_answer(response, OwnHeaders(condition=CONDITION)) == expected
    assert not is_no_answer(response, OwnHeaders(CODING))
