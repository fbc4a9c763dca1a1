"""Rules on single values, at their edges."""

import sys
import unicodedata

import pytest
from pydantic import ValidationError

from download_schedule import rules
from download_schedule.model import S3, Volume
from download_schedule.validation import Check

SURROGATES = range(0xD800, 0xE000)
EVERY_CHARACTER = [chr(n) for n in range(sys.maxunicode + 1) if n not in SURROGATES]


def admitted(path: str) -> bool:
    try:
        Volume(claim_name="data", path=path)
    except ValidationError:
        return False
    return True


def test_a_path_has_no_character_that_the_worker_refuses() -> None:
    """What Unicode has not assigned yet is left to the worker, who may know a later version."""
    assigned = [c for c in EVERY_CHARACTER if unicodedata.category(c) != "Cn" and c not in "{}"]
    wrong = [c for c in assigned if admitted(f"a{c}b") != c.isprintable()]
    assert wrong == []


def test_patterns_mean_the_same_to_both() -> None:
    r"""Python's \s has the vertical tab, and the API server's has not.

    What an expression means is tested by itself, and the HTTP API shows what is stored of it.
    """
    checks = [check for check in vars(rules).values() if isinstance(check, Check)]
    others = [rule.cel for check in checks if check is not rules.SCHEDULE for rule in check.rules]
    assert others
    assert [cel for cel in others if r"\s" in cel] == []


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u0085", "\u200b", "\u2028", "\u00a0"])
def test_the_sentence_says_what_to_do(character: str) -> None:
    with pytest.raises(ValidationError, match=r"path must not hold .*; leave them out"):
        S3(bucket="abc", key=f"a{character}b", credentials_secret_ref={"name": "s"})
