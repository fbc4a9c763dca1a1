"""The key in its file."""

import re
from pathlib import Path

import pytest

from download_api.auth.api_keys import KeyFile


def test_keys(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = KeyFile(file)
    assert not key.matches("Bearer ", "")  # no file yet: nobody gets in
    file.write_text("first\n")
    assert key.matches("Bearer first", None)
    assert key.matches("bearer first", None)
    assert key.matches(None, "first")
    for wrong in ("first ", "Basic first", "Bearer second", "Bearer", ""):
        assert not key.matches(wrong, None)
    assert not key.matches(None, "sécond")
    file.write_text("second")
    assert key.matches(None, "second")
    file.write_text("schlüssel à", "utf-8")
    sent = "schlüssel à".encode().decode("latin-1")  # as a client sends it, and Starlette reads it
    assert key.matches(f"Bearer {sent}", None)
    assert key.matches(None, sent)
    file.write_text("")
    assert not key.matches("Bearer ", None)


def test_the_log_says_once_why_no_key_is_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = KeyFile(tmp_path / "key")
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    (told,) = caplog.messages
    assert re.match("no API key is good.*No such file.*/key", told)
    (tmp_path / "key").write_text("\n")
    for _ in range(3):
        assert not key.matches("Bearer x", None)
    assert caplog.messages[1:] == ["no API key is good, for the file of the key is empty"]
