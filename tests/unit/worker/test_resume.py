"""Whether a response fits what an earlier attempt left."""

import hashlib

import pytest

from download_worker.http.messages import Response
from download_worker.http.validators import RemoteVersion
from download_worker.resume import Continue, Fresh, Restart, decide_resume

URL = "http://example.com/x"


class ResumePointStub:
    version = RemoteVersion(URL, '"v1"', 10)
    size = 4
    digest = hashlib.sha256(b"four")

    def count_try(self) -> None:
        raise AssertionError

    def uncount_try(self) -> None:
        raise AssertionError

    def release(self, resumable: bool) -> None:
        raise AssertionError(resumable)


def response(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(URL, "1.1", status, named)


@pytest.mark.parametrize("status", [200, 206, 304, 404, 416, 503])
def test_every_response_is_fresh_without_a_resume_point(status: int) -> None:
    rest = response(status, content_range="bytes 4-9/10", etag='"v1"')
    assert isinstance(decide_resume(None, rest), Fresh)


@pytest.mark.parametrize("content_range", ["bytes 4-9/10", "bytes 4-9/*"])
def test_rest_of_the_same_version_continues(content_range: str) -> None:
    decision = decide_resume(
        ResumePointStub(), response(206, content_range=content_range, etag='"v1"')
    )
    assert isinstance(decision, Continue)
    assert decision.total_bytes == 10


@pytest.mark.parametrize(
    "unfit",
    [
        response(206),
        response(206, content_range="bytes 4-9/10"),
        response(206, content_range="bytes 4-9/10", etag='"v2"'),
        response(206, content_range="bytes 5-9/10", etag='"v1"'),
        response(206, content_range="bytes 4-8/10", etag='"v1"'),
        response(206, content_range="bytes 4-10/11", etag='"v1"'),
        response(206, content_range="bytes 4-9/10", etag='"v1"', content_encoding="gzip"),
        response(206, content_range="bytes 4-9/10", etag='"v1"', content_length="10"),
        response(416),
        response(200, content_range="bytes 4-9/10", etag='"v1"'),
    ],
    ids=lambda unfit: f"{unfit.status} {unfit.headers}",
)
def test_response_that_does_not_fit_restarts(unfit: Response) -> None:
    assert isinstance(decide_resume(ResumePointStub(), unfit), Restart)


@pytest.mark.parametrize(
    "whole",
    [
        response(200, etag='"v2"'),
        response(204),
        response(404),
        response(503, content_range="bytes 4-9/10"),
    ],
    ids=lambda whole: str(whole.status),
)
def test_any_other_response_is_fresh(whole: Response) -> None:
    assert isinstance(decide_resume(ResumePointStub(), whole), Fresh)
