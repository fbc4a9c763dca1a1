"""Rules on single members, at their edges."""

import sys
import unicodedata

import pytest
from pydantic import ValidationError

from download_schedule import rules
from download_schedule.model import S3, Volume
from download_schedule.validation import Check

SURROGATES = range(0xD800, 0xE000)
EVERY_CHARACTER = [chr(n) for n in range(sys.maxunicode + 1) if n not in SURROGATES]


def is_admitted(path: str) -> bool:
    try:
        Volume(claim_name="data", path=path)
    except ValidationError:
        return False
    return True


def test_path_rule_and_worker_refuse_the_same_characters() -> None:
    """Unassigned code points are left to the worker, which may know a later Unicode version."""
    assigned = [c for c in EVERY_CHARACTER if unicodedata.category(c) != "Cn" and c not in "{}"]
    assert [c for c in assigned if is_admitted(f"a{c}b") != c.isprintable()] == []


@pytest.mark.parametrize(
    "path", ["/a", "a//b", "./a", "a/..", "a/", "{unknown}", "{", "a}", "\x85"]
)
def test_path_out_of_the_volume_or_with_unknown_placeholder_is_refused(path: str) -> None:
    assert not is_admitted(path)


@pytest.mark.parametrize(
    "path", ["a", "a b/c", "{namespace}/{name}/{scheduled}-{filename}", "ä/报告"]
)
def test_relative_path_is_admitted(path: str) -> None:
    assert is_admitted(path)


def test_no_pattern_has_white_space_that_python_and_re2_read_differently() -> None:
    r"""Python's \s contains the vertical tab, RE2's does not.

    The rules on the schedule are compared with the parser instead (cron/test_patterns.py).
    """
    checks = [check for check in vars(rules).values() if isinstance(check, Check)]
    cel = [rule.cel for check in checks if check is not rules.SCHEDULE for rule in check.rules]
    assert cel
    assert [text for text in cel if r"\s" in text] == []


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u0085", "\u200b", "\u2028", "\u00a0"])
def test_refusal_of_a_character_says_what_to_do(character: str) -> None:
    with pytest.raises(ValidationError, match=r"path must not contain .*; leave them out"):
        S3(bucket="abc", key=f"a{character}b", credentials_secret_ref={"name": "s"})
