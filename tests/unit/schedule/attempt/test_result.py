"""The document between worker and operator: bounded on the way out, distrusted on the way in."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_schedule.attempt.result import (
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_DOCUMENT_BYTES,
    Result,
    decode,
    encode,
)

GOOD = Result(
    bytes=5,
    sha256="0" * 64,
    httpStatus=200,
    contentType="text/csv",
    etag='"v1"',
    location="volume://data/x/report.csv",
)

any_text = st.one_of(st.none(), st.text(st.characters(), max_size=2000))


def test_encoded_result_is_decoded_to_itself() -> None:
    assert decode(encode(GOOD)) == GOOD


@given(any_text, any_text, any_text, any_text, any_text)
def test_document_always_fits_and_always_reads_back(
    content_type: str | None,
    etag: str | None,
    location: str | None,
    reason: str | None,
    message: str | None,
) -> None:
    result = Result(
        contentType=content_type, etag=etag, location=location, reason=reason, message=message
    )
    document = encode(result)
    assert len(document.encode()) <= MAX_DOCUMENT_BYTES
    assert encode(decode(document)) == document


def test_longest_text_is_cut_to_fit() -> None:
    longest = "\N{GRINNING FACE}" * 5000
    result = Result(contentType=longest, etag=longest, location=longest, message=longest)
    assert len(encode(result).encode()) <= MAX_DOCUMENT_BYTES


def test_text_is_cut_at_its_bound() -> None:
    bound = MAX_CHARACTERS["message"]
    assert decode(encode(Result(message="x" * bound))).message == "x" * bound
    assert decode(encode(Result(message="x" * (bound + 1)))).message == "x" * (bound - 1) + "…"


def test_control_characters_are_replaced() -> None:
    assert decode('{"message": "a\\u001b[31mb\\nc"}').message == "a [31mb c"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "result is not JSON"),
        ("[" * 4000, "result is not JSON"),
        ("[]", "result is not a JSON object"),
        ("x" * (MAX_DOCUMENT_BYTES + 1), "longer than 4096 bytes"),
        ('{"bytes": -1}', "bytes is not a whole number"),
        ('{"bytes": 1.5}', "bytes is not a whole number"),
        ('{"bytes": true}', "bytes is not a whole number"),
        (json.dumps({"bytes": MAX_BYTES + 1}), "bytes is not a whole number"),
        ('{"httpStatus": 99}', "httpStatus is not a whole number from 100 to 599"),
        ('{"sha256": "ABC"}', "sha256 is not 64 lower-case hexadecimal digits"),
        ('{"unchanged": "yes"}', "unchanged is neither true nor false"),
        ('{"reason": {}}', "reason is not text"),
    ],
)
def test_invalid_document_is_refused_with_a_sentence(document: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode(document)


def test_unknown_members_are_ignored() -> None:
    assert decode('{"bytes": 1, "image": "evil"}') == Result(bytes=1)


@given(st.text())
def test_any_text_is_decoded_or_refused(document: str) -> None:
    with contextlib.suppress(ValueError):
        decode(document)
