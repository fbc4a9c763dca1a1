"""Who a caller is, by each way to find out."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from download_api.auth.api_keys import HashedKeys
from download_api.auth.authentication import TokenReviewAuth, is_same_machine
from download_api.auth.reviews import Caller
from download_api.problems.problem import ProblemError
from tests.support.fake_clock import FakeClock

ANN = Caller(user="ann")
KEY = "k" * 43
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


class FakeReview:
    """Knows who owns some tokens, and which tokens it was asked about."""

    def __init__(self, *tokens: str) -> None:
        self.valid = set(tokens)
        self.asked: list[str] = []

    async def __call__(self, token: str) -> Caller | None:
        self.asked.append(token)
        return ANN if token in self.valid else None


def test_token_is_cached_for_a_minute_unless_it_must_be_fresh() -> None:
    clock, review = FakeClock(), FakeReview("a", "b")
    authenticator = TokenReviewAuth(review, "us", None, clock)

    def reviews_after(token: str, *, fresh: bool = False) -> int:
        caller = authenticator.authenticate(f"Bearer {token}", None, fresh=fresh)
        assert asyncio.run(caller) == ANN
        return len(review.asked)

    assert [reviews_after(token) for token in ("a", "a", "b", "b")] == [1, 1, 2, 2]
    assert reviews_after("a", fresh=True) == 3

    clock.now = 59.9
    assert reviews_after("a") == 3
    clock.now = 60
    assert reviews_after("a") == 4


def test_token_that_a_write_found_invalid_is_invalid_for_reads() -> None:
    review = FakeReview("a")
    authenticator = TokenReviewAuth(review, "us", None, FakeClock())
    assert asyncio.run(authenticator.authenticate("Bearer a", None, fresh=False)) == ANN
    review.valid.clear()

    for fresh in (True, False):
        with pytest.raises(ProblemError) as refusal:
            asyncio.run(authenticator.authenticate("Bearer a", None, fresh=fresh))
        assert refusal.value.status == 401
        assert 'error="invalid_token"' in refusal.value.headers["WWW-Authenticate"]


def test_token_is_recognized_until_a_review_finds_it_invalid() -> None:
    clock, review = FakeClock(), FakeReview("a")
    authenticator = TokenReviewAuth(review, "us", None, clock)

    def recognizes() -> bool:
        return authenticator.recognizes("Bearer a", None)

    assert not recognizes()
    assert asyncio.run(authenticator.authenticate("Bearer a", None, fresh=False)) == ANN
    clock.now = 3600  # long after the cached owner expired
    assert recognizes()
    assert not authenticator.recognizes("Bearer a", "also a key")
    assert len(review.asked) == 1

    review.valid.clear()
    with pytest.raises(ProblemError):
        asyncio.run(authenticator.authenticate("Bearer a", None, fresh=False))
    assert not recognizes()


def test_hashed_key_is_recognized_without_a_review(key_file: Path) -> None:
    review = FakeReview()
    authenticator = TokenReviewAuth(review, "us", HashedKeys(key_file))
    sent = [(f"Bearer {KEY}", None), (None, KEY), ("Bearer x", KEY), (f"Bearer {KEY}", "x")]
    assert [authenticator.recognizes(*pair) for pair in sent] == [True, True, True, False]
    assert not authenticator.recognizes(None, None)
    assert review.asked == []


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([{"sha256": DIGEST, "user": "ci", "groups": ["team"]}]))
    return file


def authenticate(
    key_file: Path, review: FakeReview, authorization: str | None, x_api_key: str | None
) -> Caller:
    authenticator = TokenReviewAuth(review, "", HashedKeys(key_file))
    return asyncio.run(authenticator.authenticate(authorization, x_api_key, fresh=True))


@pytest.mark.parametrize(
    ("authorization", "x_api_key"), [(None, KEY), (f"Bearer {KEY}", None), ("Bearer x", KEY)]
)
def test_hashed_key_stands_for_user_and_groups_without_a_review(
    key_file: Path, authorization: str | None, x_api_key: str | None
) -> None:
    review = FakeReview()
    caller = authenticate(key_file, review, authorization, x_api_key)
    assert caller == Caller(user="ci", groups=("team",))
    assert review.asked == []


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [(None, None), (None, DIGEST), (f"Basic {KEY}", None), (f"Bearer {KEY}", "wrong")],
)
def test_wrong_key_is_refused_without_a_review(
    key_file: Path, authorization: str | None, x_api_key: str | None
) -> None:
    review = FakeReview()
    with pytest.raises(ProblemError, match="or an API key as X-API-Key"):
        authenticate(key_file, review, authorization, x_api_key)
    assert review.asked == []


def test_hashed_key_may_have_any_characters(key_file: Path) -> None:
    digest = hashlib.sha256("schlüssel".encode()).hexdigest()
    key_file.write_text(json.dumps([{"sha256": digest, "user": "eve"}]))
    as_starlette_decodes_it = "schlüssel".encode().decode("latin-1")
    assert authenticate(key_file, FakeReview(), None, as_starlette_decodes_it).user == "eve"


def test_hashed_keys_change_with_their_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    authenticator = TokenReviewAuth(FakeReview(), "", HashedKeys(file))

    def is_accepted() -> bool:
        try:
            asyncio.run(authenticator.authenticate(None, KEY, fresh=True))
        except ProblemError:
            return False
        return True

    assert not is_accepted()  # there is no file yet
    file.write_text(json.dumps([{"sha256": DIGEST, "user": "ci"}]))
    assert is_accepted()
    file.write_text("[]")
    assert not is_accepted()


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("localhost:8080", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:8080", "http://localhost:3000", True),
        ("LOCALHOST", None, True),
        ("rebound.example:8080", None, False),
        ("localhost.example", None, False),
        ("", None, False),
        ("[", None, False),
        ("127.0.0.1:8080", "https://page.example", False),
        ("127.0.0.1:8080", "null", False),
        ("127.0.0.1:8080", "", False),
    ],
)
def test_requests_of_other_sites_are_not_from_this_machine(
    host: str, origin: str | None, expected: bool
) -> None:
    assert is_same_machine(host, origin) == expected
