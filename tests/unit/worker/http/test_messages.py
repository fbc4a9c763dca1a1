"""What the head of a response says about the body."""

import pytest

from download_worker.http.messages import Response


def response(version: str = "1.1", status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response("http://example.com/x", version, status, named)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", 0),
        ("12", 12),
        ("0" * 5000 + "12", 12),
        ("9" * 5000, int("9" * 20)),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1, 1", 1),
        ("1, 2", None),
        (", 1", 1),
        ("²", None),
        ("\u0661", None),
    ],
)
def test_content_length_is_a_number_of_any_length(text: str, length: int | None) -> None:
    assert response(content_length=text).content_length == length


def test_chunks_overrule_the_content_length() -> None:
    chunked = response(content_length="5", transfer_encoding="Chunked")
    assert chunked.content_length is None
    assert not chunked.ends_with_connection


@pytest.mark.parametrize(
    ("message", "ends"),
    [
        (response(), True),
        (response("1.0"), True),
        (response(transfer_encoding="identity"), True),
        (response(content_length="5"), False),
        (response("2"), False),
        (response("3"), False),
    ],
)
def test_body_without_framing_ends_with_the_connection(message: Response, ends: bool) -> None:
    assert message.ends_with_connection == ends


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [("Text/HTML; charset=utf-8", "text/html"), (" text/csv ;", "text/csv"), ("", "")],
)
def test_media_type_has_no_parameters(content_type: str, media_type: str) -> None:
    assert response(content_type=content_type).media_type == media_type
    assert response().media_type == ""


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (299, True), (300, False)]
)
def test_success_is_any_2xx(status: int, success: bool) -> None:
    assert response(status=status).is_success == success
