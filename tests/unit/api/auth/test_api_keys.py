"""API keys in their files."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from download_api.auth.api_keys import SharedKey, parse_bearer, parse_hashed_keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key"


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [("Bearer first", None), ("bearer first", None), (None, "first")],
)
def test_shared_key_is_accepted_in_either_header(
    file: Path, authorization: str | None, x_api_key: str | None
) -> None:
    file.write_text("first\n")
    assert SharedKey(file).matches(authorization, x_api_key)


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [
        ("first ", None),
        ("Basic first", None),
        ("Bearer second", None),
        ("Bearer", None),
        ("", None),
        (None, "sécond"),
    ],
)
def test_wrong_shared_key_is_refused(
    file: Path, authorization: str | None, x_api_key: str | None
) -> None:
    file.write_text("first\n")
    assert not SharedKey(file).matches(authorization, x_api_key)


def test_shared_key_changes_with_its_file(file: Path) -> None:
    key = SharedKey(file)
    file.write_text("first")
    assert key.matches(None, "first")
    file.write_text("second")
    assert key.matches(None, "second")
    assert not key.matches(None, "first")


def test_shared_key_may_have_any_characters(file: Path) -> None:
    file.write_text("schlüssel à", "utf-8")
    as_starlette_decodes_it = "schlüssel à".encode().decode("latin-1")
    assert SharedKey(file).matches(f"Bearer {as_starlette_decodes_it}", None)
    assert SharedKey(file).matches(None, as_starlette_decodes_it)


def test_without_a_key_nobody_is_accepted(file: Path) -> None:
    key = SharedKey(file)
    assert not key.matches("Bearer ", "")
    file.write_text("")
    assert not key.matches("Bearer ", None)


def test_log_says_once_why_no_key_is_accepted(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = SharedKey(file)
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    (message,) = caplog.messages
    assert re.match("no API key is accepted.*No such file.*/key", message)

    file.write_text("\n")
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    assert caplog.messages[1:] == ["no API key is accepted, because the file of the key is empty"]


def hashed(**members: Any) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(b"k").hexdigest(), "user": "ci", **members}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "{}",
        json.dumps([{"sha256": "secret", "user": "ci"}]),
        json.dumps([hashed(user="")]),
        json.dumps([hashed(), {"key": "secret"}]),
    ],
)
def test_invalid_file_of_hashed_keys_accepts_none_and_is_not_quoted(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert parse_hashed_keys(text.encode()) == {}
    assert "no API key is accepted" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [("Bearer a", "a"), ("bearer  a ", "a"), ("Basic a", None), ("", None), (None, None)],
)
def test_bearer_token_is_read_from_the_header(header: str | None, expected: str | None) -> None:
    assert parse_bearer(header) == expected
