"""A download as a sequence: request, decide about resuming, stream, verify, commit."""

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from download_schedule.attempt.task import Method
from download_worker import download as module
from download_worker.download import download
from download_worker.download_request import DownloadRequest
from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.http.messages import Request, Response
from download_worker.http.validators import PreviousFile, RemoteVersion
from download_worker.sink import Chunk, DiscardSink, Sink

URL = "http://example.com/x"
BODY = b"0123456789"
SHA256 = hashlib.sha256(BODY).hexdigest()
REST = {"content-range": "bytes 4-9/10", "etag": '"v1"'}


class Server:
    """Gives each request the next response, and records the requests."""

    def __init__(self) -> None:
        self.responses: list[tuple[int, dict[str, str], list[bytes | Exception]]] = []
        self.requests: list[Request] = []

    def then(self, status: int, *chunks: bytes | Exception, **headers: str) -> "Server":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.responses.append((status, named, list(chunks)))
        return self

    @contextmanager
    def exchange(
        self, request: Request, _connection: object, **_: object
    ) -> Iterator[tuple[Response, Iterator[bytes]]]:
        self.requests.append(request)
        status, headers, chunks = self.responses.pop(0)
        yield Response(request.url, "1.1", status, headers), self._read(chunks)

    @staticmethod
    def _read(chunks: list[bytes | Exception]) -> Iterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


class MemorySink(DiscardSink):
    """Saves a file in memory."""

    def __init__(self, resuming: bool, error: Exception | None = None) -> None:
        self.resuming = resuming
        self.error = error
        self.body = b""
        self.fate = ""

    def write(self, chunk: Chunk) -> None:
        if self.error:
            raise self.error
        self.body += bytes(chunk)

    def commit(self, sha256: str) -> str:
        self.fate = f"committed {sha256}"
        return "memory://x"

    def discard(self) -> None:
        self.fate = self.fate or "discarded"

    def suspend(self) -> None:
        self.fate = self.fate or "suspended"


class Leftover:
    """The first four bytes of the file, which an earlier attempt left."""

    def __init__(self) -> None:
        self.version = RemoteVersion(URL, '"v1"', len(BODY))
        self.size = 4
        self.digest: Any = hashlib.sha256(BODY[:4])
        self.released: bool | None = None
        self.tries = 0

    def count_try(self) -> None:
        self.tries += 1

    def uncount_try(self) -> None:
        self.tries -= 1

    def release(self, resumable: bool) -> None:
        self.released = resumable


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    fake = Server()
    monkeypatch.setattr(module, "exchange", fake.exchange)
    return fake


class Download:
    """Runs a download, and keeps the sinks that it opened."""

    def __init__(self) -> None:
        self.sinks: list[MemorySink] = []
        self.sink_error: Exception | None = None
        self.stopped: Callable[[], bool] = lambda: False

    def run(self, request: DownloadRequest | None = None, **options: Any) -> Any:
        result, _ = download(
            request or DownloadRequest(Request(URL)),
            self._open_sink,
            progress=lambda *_: None,
            stopped=self.stopped,
            **options,
        )
        return result

    def fail(self, request: DownloadRequest | None = None, **options: Any) -> DownloadError:
        with pytest.raises(DownloadError) as caught:
            self.run(request, **options)
        return caught.value

    def _open_sink(self, _response: Response, resuming: bool) -> Sink:
        self.sinks.append(MemorySink(resuming, self.sink_error))
        return self.sinks[-1]

    @property
    def fates(self) -> list[str]:
        return [sink.fate for sink in self.sinks]


@pytest.fixture
def client() -> Download:
    return Download()


def test_body_is_committed_with_its_digest(server: Server, client: Download) -> None:
    server.then(200, BODY[:3], BODY[3:], content_length="10", content_type="text/csv")
    result = client.run()
    assert (result.bytes, result.sha256, result.location) == (10, SHA256, "memory://x")
    assert (result.contentType, result.lengthUnverified) == ("text/csv", None)
    assert client.sinks[0].body == BODY
    assert client.fates == [f"committed {SHA256}"]


def test_rest_of_the_file_continues_the_sink(server: Server, client: Download) -> None:
    server.then(206, BODY[4:], **{name.replace("-", "_"): value for name, value in REST.items()})
    leftover = Leftover()

    result = client.run(resume_point=leftover)

    assert (result.bytes, result.sha256) == (10, SHA256)
    assert ("Range", "bytes=4-") in server.requests[0].headers
    assert ("If-Range", '"v1"') in server.requests[0].headers
    assert (client.sinks[0].resuming, client.sinks[0].body) == (True, BODY[4:])
    assert leftover.released is None  # its bytes belong to the sink


def test_whole_file_replaces_the_leftover(server: Server, client: Download) -> None:
    server.then(200, BODY)
    leftover = Leftover()
    assert client.run(resume_point=leftover).sha256 == SHA256
    assert client.sinks[0].resuming is False
    assert leftover.released is False


@pytest.mark.parametrize("status", [206, 416])
def test_response_that_does_not_fit_restarts_without_the_leftover(
    server: Server, client: Download, status: int
) -> None:
    server.then(status, b"other").then(200, BODY)
    leftover = Leftover()

    assert client.run(resume_point=leftover).sha256 == SHA256

    assert leftover.released is False
    assert [len(request.headers) for request in server.requests] == [2, 0]


def test_wrong_digest_of_a_resumed_file_restarts(server: Server, client: Download) -> None:
    rest = {name.replace("-", "_"): value for name, value in REST.items()}
    server.then(206, b"abcdef", **rest).then(200, BODY)
    request = DownloadRequest(Request(URL), sha256=SHA256)

    assert client.run(request, resume_point=Leftover()).sha256 == SHA256

    assert client.fates == ["discarded", f"committed {SHA256}"]


def test_short_rest_is_incomplete_and_suspended(server: Server, client: Download) -> None:
    rest = {name.replace("-", "_"): value for name, value in REST.items()}
    server.then(206, BODY[4:8], **rest)
    error = client.fail(resume_point=Leftover())
    assert error.reason is Reason.INCOMPLETE_BODY
    assert client.fates == ["suspended"]


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (DownloadError(Reason.CONNECTION_LOST, "cut"), "suspended"),
        (StoppedError(), "suspended"),
        (DownloadError(Reason.TOO_LARGE, "large"), "discarded"),
        (DownloadError(Reason.TOO_SMALL, "small"), "discarded"),
    ],
)
def test_failure_that_a_retry_can_help_suspends_the_sink(
    server: Server, client: Download, error: DownloadError, fate: str
) -> None:
    server.then(200, BODY[:5], error)
    assert client.fail() is error
    assert client.fates == [fate]


def test_bug_discards_the_sink(server: Server, client: Download) -> None:
    server.then(200, BODY[:5], ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        client.run()
    assert client.fates == ["discarded"]


@pytest.mark.parametrize(
    ("number", "reason", "fate"),
    [
        (errno.ENOSPC, Reason.NO_SPACE, "suspended"),
        (errno.ELOOP, Reason.UNSAFE_PATH, "discarded"),
    ],
)
def test_error_of_the_file_system_is_explained(
    server: Server, client: Download, number: int, reason: Reason, fate: str
) -> None:
    client.sink_error = OSError(number, "refused")
    server.then(200, BODY)
    assert client.fail().reason is reason
    assert client.fates == [fate]


@pytest.mark.parametrize("status", [404, 503])
def test_leftover_stays_if_a_retry_can_help(server: Server, client: Download, status: int) -> None:
    server.then(500, b"sorry").then(status, b"sorry")
    leftover = Leftover()
    assert client.fail(resume_point=leftover).status == status
    assert [bool(request.headers) for request in server.requests] == [True, False]
    assert leftover.released == (status == 503)
    assert leftover.tries == 0
    assert client.sinks == []


def test_server_that_is_down_is_asked_once_where_nothing_is_ours(
    server: Server, client: Download
) -> None:
    server.then(503)
    request = DownloadRequest(Request(URL, (("Range", "bytes=0-"),)))
    assert client.fail(request, resume_point=Leftover()).status == 503
    assert [list(sent.headers) for sent in server.requests] == [[("Range", "bytes=0-")]]


@pytest.mark.parametrize("status", [400, 403, 404, 416, 429, 500, 501, 503, 304, 204, 202])
def test_refused_range_is_left_out(server: Server, client: Download, status: int) -> None:
    server.then(status).then(200, BODY)
    leftover = Leftover()
    assert client.run(resume_point=leftover).sha256 == SHA256
    assert leftover.released is False
    assert not server.requests[1].headers


@pytest.mark.parametrize("reason", [Reason.STOPPED, Reason.CONNECTION_FAILED])
def test_leftover_that_may_be_at_fault_counts(
    server: Server, client: Download, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DownloadError(reason, "")

    monkeypatch.setattr(module, "exchange", fail)
    leftover = Leftover()
    assert client.fail(resume_point=leftover).reason is reason
    assert (leftover.tries, leftover.released) == (1, True)


def test_rest_that_breaks_off_at_once_leaves_the_sink(server: Server, client: Download) -> None:
    rest = {name.replace("-", "_"): value for name, value in REST.items()}
    server.then(206, DownloadError(Reason.CONNECTION_LOST, "cut"), **rest)
    assert client.fail(resume_point=Leftover()).reason is Reason.CONNECTION_LOST
    assert client.fates == ["suspended"]


def test_rest_without_a_type_is_asked_for_as_a_whole(server: Server, client: Download) -> None:
    """A response to If-Range need not repeat the type (RFC 9110, 15.3.7)."""
    rest = {name.replace("-", "_"): value for name, value in REST.items()}
    server.then(206, BODY[4:], **rest).then(200, BODY, content_type="text/csv")
    request = DownloadRequest(Request(URL), content_types=("text/csv",))
    assert client.run(request, resume_point=Leftover()).sha256 == SHA256


PREVIOUS = PreviousFile("0" * 64, '"v1"', None, "memory://previous")


@pytest.mark.parametrize("status", [400, 403, 404, 412, 500, 503, 204, 202])
def test_refused_condition_is_left_out(server: Server, client: Download, status: int) -> None:
    server.then(status).then(200, BODY)
    result = client.run(previous=PREVIOUS)
    assert (result.sha256, result.unchanged) == (SHA256, None)
    assert [list(sent.headers) for sent in server.requests] == [[("If-None-Match", '"v1"')], []]


def test_304_without_a_condition_is_an_error(server: Server, client: Download) -> None:
    server.then(412).then(304)
    assert client.fail(previous=PREVIOUS).status == 304


def test_condition_of_the_schedule_is_neither_doubled_nor_left_out(
    server: Server, client: Download
) -> None:
    server.then(412)
    request = DownloadRequest(Request(URL, (("If-modified-since", "x"),)))
    assert client.fail(request, previous=PREVIOUS).status == 412
    assert [list(sent.headers) for sent in server.requests] == [[("If-modified-since", "x")]]


@pytest.mark.parametrize("status", [400, 403, 406, 415, 500, 501])
def test_refused_coding_is_left_out(server: Server, client: Download, status: int) -> None:
    server.then(status).then(200, BODY)
    assert client.run(DownloadRequest(Request(URL), compressed=True)).sha256 == SHA256
    assert not server.requests[1].headers


@pytest.mark.parametrize("coding", ["compress", "gzip"])
def test_coding_that_is_not_understood_is_not_asked_for_again(
    server: Server, client: Download, coding: str
) -> None:
    server.then(200, b"plain text", content_encoding=coding).then(200, BODY)
    assert client.run(DownloadRequest(Request(URL), compressed=True)).sha256 == SHA256
    assert client.fates[-1] == f"committed {SHA256}"


@pytest.mark.parametrize(("status", "requests"), [(406, 2), (500, 1), (204, 1)])
def test_post_is_repeated_only_if_it_was_not_carried_out(
    server: Server, client: Download, status: int, requests: int
) -> None:
    server.then(status).then(200, BODY)
    request = DownloadRequest(Request(URL, (), Method.POST, b"a=1"), compressed=True)
    with suppress(DownloadError):
        client.run(request)
    assert len(server.requests) == requests


def test_failure_of_the_plain_request_is_reported(server: Server, client: Download) -> None:
    server.then(403).then(410)
    error = client.fail(previous=PREVIOUS)
    assert (error.status, error.permanent) == (410, True)


def test_206_that_is_whole_is_the_file(server: Server, client: Download) -> None:
    server.then(206, BODY, content_range="bytes 0-9/10")
    result = client.run()
    assert (result.sha256, result.lengthUnverified) == (SHA256, None)


@pytest.mark.parametrize("size", [9, 11])
def test_206_with_another_length_than_it_says_is_not_the_file(
    server: Server, client: Download, size: int
) -> None:
    server.then(206, b"x" * size, content_range="bytes 0-9/10")
    assert client.fail().reason is Reason.INCOMPLETE_BODY
    server.then(206, b"x" * size, content_range="bytes 0-9/10")
    assert client.fail(convert=lambda _, body: body).reason is Reason.INCOMPLETE_BODY


def test_stop_before_the_commit_saves_nothing(server: Server, client: Download) -> None:
    server.then(200, BODY)
    client.stopped = lambda: True
    assert client.fail().reason is Reason.STOPPED
    assert client.fates == ["suspended"]


def test_304_reports_the_previous_file(server: Server, client: Download) -> None:
    server.then(304, etag='"v2"')
    previous = PreviousFile(SHA256, '"v2"', None, "memory://previous")

    result = client.run(previous=previous)

    assert ("If-None-Match", '"v2"') in server.requests[0].headers
    assert (result.unchanged, result.sha256, result.etag) == (True, SHA256, '"v2"')
    assert result.location == "memory://previous"
    assert client.sinks == []


def test_same_digest_reports_the_previous_file(server: Server, client: Download) -> None:
    server.then(200, BODY)
    previous = PreviousFile(SHA256, None, None, "memory://previous")
    result = client.run(previous=previous)
    assert (result.unchanged, result.location) == (True, "memory://previous")
    assert client.fates == ["discarded"]


def test_converted_file_is_saved_and_the_body_is_checked(server: Server, client: Download) -> None:
    server.then(200, BODY, content_length="10")
    request = DownloadRequest(Request(URL), sha256=SHA256)

    result = client.run(request, convert=lambda _, body: body + b"!")

    assert client.sinks[0].body == BODY + b"!"
    assert (result.bytes, result.sha256) == (11, hashlib.sha256(BODY + b"!").hexdigest())


def test_redirects_are_followed_up_to_the_limit(server: Server, client: Download) -> None:
    request = DownloadRequest(Request(URL), max_redirects=1)
    server.then(302, location="/y").then(200, BODY)
    assert client.run(request).sha256 == SHA256
    assert [sent.url for sent in server.requests] == [URL, "http://example.com/y"]

    server.then(302, location="/y").then(302, location="/z")
    assert client.fail(request).reason is Reason.TOO_MANY_REDIRECTS


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), [("Accept-Encoding", "gzip, br, zstd")]),
        ((("accept-encoding", "gzip"),), [("accept-encoding", "gzip")]),
    ],
)
def test_compressed_body_is_asked_for_once(
    server: Server,
    client: Download,
    headers: tuple[tuple[str, str], ...],
    expected: list[tuple[str, str]],
) -> None:
    server.then(200, BODY)
    client.run(DownloadRequest(Request(URL, headers), compressed=True))
    assert list(server.requests[0].headers) == expected


def test_body_that_ends_with_the_connection_is_marked(server: Server, client: Download) -> None:
    server.then(200, BODY)
    assert client.run().lengthUnverified is True
    server.then(200)
    assert client.run().lengthUnverified is None
