"""Advice for errors of a service: tests/field/test_s3_errors.py has those that services send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.errors import Reason
from download_worker.http.curl import ConnectionOptions
from download_worker.s3.advice import explain
from download_worker.s3.bucket import Bucket
from download_worker.s3.error_document import ServiceError

BUCKET = Bucket("b-{x}", "http://s3.test", "eu", {}, "keys", ConnectionOptions())


@given(
    st.one_of(st.none(), st.integers(300, 599)),
    st.text(),
    st.dictionaries(st.sampled_from(["Region", "ServerTime"]), st.text()),
    st.booleans(),
)
def test_every_error_has_a_sentence(
    status: int | None, code: str, elements: dict[str, str], is_conditional: bool
) -> None:
    error = ServiceError(status, code, "words", elements)
    assert str(explain(error, BUCKET, is_conditional=is_conditional)).endswith(".")


@pytest.mark.parametrize("code", ["AuthorizationHeaderMalformed", "InvalidRegionName"])
@pytest.mark.parametrize("region", ["eu", "", "{bucket}", "eu; rm", "e" * 65])
def test_region_that_cannot_be_right_is_not_advised(code: str, region: str) -> None:
    error = ServiceError(400, code, "words", {"Region": region})
    assert "write region" not in str(explain(error, BUCKET, is_conditional=False))


def test_time_of_the_service_is_quoted_only_if_it_is_one() -> None:
    error = ServiceError(403, "RequestTimeTooSkewed", "words", {"ServerTime": "now {or} never"})
    sentence = str(explain(error, BUCKET, is_conditional=False))
    assert "now" not in sentence


@pytest.mark.parametrize("status", [409, 412])
def test_object_exists_only_where_that_was_a_condition(status: int) -> None:
    error = ServiceError(status, "", "words")
    assert explain(error, BUCKET, is_conditional=True).reason is Reason.OBJECT_EXISTS
    assert explain(error, BUCKET, is_conditional=False).reason is Reason.UPLOAD_FAILED
