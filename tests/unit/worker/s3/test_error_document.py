"""What a service's error document says, whatever it sends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from download_worker.s3.error_document import (
    MAX_DOCUMENT_CHARACTERS,
    MAX_QUOTED_CHARACTERS,
    parse_document,
    quote,
    read_error,
)

DOCUMENT = "<Error><Code>NoSuchBucket</Code><Message>gone</Message><Region>eu</Region></Error>"
PREFIX = "Generic S3 error: Error performing PUT http://x/k in 1ms - "
STATUS = f"{PREFIX}Server returned non-2xx status code: 404 Not Found: "


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT,
        f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCUMENT}\n',
        f"\ufeff\r\n {DOCUMENT}",
        DOCUMENT.replace("<Error>", '<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'),
        f"<ErrorResponse>{DOCUMENT}</ErrorResponse>",
        f"{DOCUMENT}<!-- padding --><html>",
        DOCUMENT.removesuffix("</Error>"),
        DOCUMENT.replace("NoSuchBucket", "<![CDATA[NoSuchBucket]]>"),
        DOCUMENT.replace("eu", " e&#117; "),
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{DOCUMENT}',
        DOCUMENT.replace("<Message>", "<Code>second</Code><Message>"),
    ],
)
def test_document_is_read(document: str) -> None:
    elements = parse_document(document)
    assert {name: elements[name] for name in ("Code", "Message", "Region")} == {
        "Code": "NoSuchBucket",
        "Message": "gone",
        "Region": "eu",
    }


@pytest.mark.parametrize(
    "document",
    [
        "",
        "  ",
        "<",
        "<html><Code>x</Code></html>",
        f"<!DOCTYPE Error>{DOCUMENT}",
        f'<!DOCTYPE Error [<!ENTITY x "y">]>{DOCUMENT}',
        "{",
        "{}",
        '{"code": 7, "message": ["x"]}',
        '{"error": {"code": {}}}',
    ],
)
def test_anything_else_has_no_elements(document: str) -> None:
    assert parse_document(document) == {}


@pytest.mark.parametrize(
    "document",
    [
        '{"Code": "X", "Message": "y"}',
        '{"code": "X", "message": "y"}',
        '{"error": {"code": "X", "message": "y"}}',
        '{"error": "X", "msg": "y"}',
    ],
)
def test_json_is_read(document: str) -> None:
    assert parse_document(document) == {"Code": "X", "Message": "y"}


def test_only_the_beginning_is_looked_at() -> None:
    padding = "x" * (MAX_DOCUMENT_CHARACTERS - len("<Error><A></A><Code>Y</Code>"))
    code = "<Code>Y</Code>"
    assert parse_document(f"<Error><A>{padding}</A>{code}")["Code"] == "Y"
    assert "Code" not in parse_document(f"<Error><A>{padding}{'x' * len(code)}</A>{code}")


@given(st.text())
def test_no_document_is_a_failure_of_its_own(text: str) -> None:
    for document in (text, f"<{text}", f"<Error>{text}", f'{{"code": "{text}'):
        parse_document(document)


@given(st.text(), st.text())
def test_words_are_printable_and_bounded(code: str, message: str) -> None:
    error = read_error(RuntimeError(f'{STATUS}{{"code": "{code}", "message": "{message}"}}'))
    assert error.status in (404, None)
    assert error.words.isprintable()
    assert len(error.words) <= MAX_QUOTED_CHARACTERS + 80


def test_error_with_a_document() -> None:
    error = read_error(RuntimeError(f"{STATUS}{DOCUMENT}\n\nDebug source:\nbody: <Error>"))
    assert error[:3] == (404, "NoSuchBucket", "NoSuchBucket: gone")
    assert error.elements["Region"] == "eu"
    assert error.has_body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{STATUS}", (404, "", "404 Not Found")),
        (f"{STATUS}\n\nDebug source:\nx", (404, "", "404 Not Found")),
        (f"{STATUS}<html>", (404, "", "404 Not Found")),
        (f"{STATUS}words.\nmore", (404, "", "404 Not Found: words")),
        (f"{PREFIX}Server returned error response: {DOCUMENT}", (None, "NoSuchBucket", None)),
        (f"{PREFIX}Received redirect without LOCATION, this", (301, "PermanentRedirect", None)),
        ("connection refused.\nmore", (None, "", "connection refused")),
        ("", (None, "", "RuntimeError")),
    ],
)
def test_error_of_any_kind(text: str, expected: tuple[Any, ...]) -> None:
    error = read_error(RuntimeError(text))
    assert (error.status, error.code) == expected[:2]
    assert expected[2] in (error.words, None)


def test_secrets_are_not_quoted_and_short_values_are_words() -> None:
    secrets = ("s" * 16, "minio")
    text = f"{STATUS}<Error><Message>{'s' * 16} of minio</Message></Error>"
    assert read_error(RuntimeError(text), secrets).words == "404 Not Found: *** of minio"


def test_quoted_text_has_a_limit() -> None:
    longest = "x" * MAX_QUOTED_CHARACTERS
    assert quote(longest) == longest
    assert quote(f"{longest}y") == f"{longest}…"
