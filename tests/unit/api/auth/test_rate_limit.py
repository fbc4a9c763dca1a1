"""A token bucket for each caller."""

import pytest

from download_api.auth.rate_limit import RateLimiter
from download_api.problems.problem import ProblemError
from tests.support.fake_clock import FakeClock


def test_caller_may_send_the_requests_of_a_minute_at_once_and_no_more() -> None:
    limiter = RateLimiter(3, clock=FakeClock())
    assert [limiter.consume("a").remaining for _ in range(3)] == [2, 1, 0]

    state = limiter.consume("a")

    assert not state.allowed
    with pytest.raises(ProblemError) as refusal:
        state.check()
    assert refusal.value.status == 429
    assert refusal.value.headers["Retry-After"] == "20"
    assert refusal.value.headers["RateLimit"] == '"default";r=0;t=20'
    assert refusal.value.headers["RateLimit-Policy"] == '"default";q=3;w=60'


def test_bucket_fills_up_again() -> None:
    clock = FakeClock(1000)
    limiter = RateLimiter(60, clock=clock)
    for _ in range(60):
        assert limiter.consume("a").allowed

    clock.now += 0.9
    assert not limiter.consume("a").allowed
    clock.now += 0.2
    assert limiter.consume("a").allowed

    clock.now += 3600
    assert limiter.consume("a").remaining == 59


def test_callers_have_buckets_of_their_own() -> None:
    limiter = RateLimiter(1, clock=FakeClock())
    assert limiter.consume("a").allowed
    assert not limiter.consume("a").allowed
    assert limiter.consume("b").allowed


def test_request_that_is_taken_back_was_not_counted() -> None:
    clock = FakeClock()
    limiter = RateLimiter(2, clock=clock)
    assert limiter.consume("a").remaining == 1
    limiter.restore("a")
    assert [limiter.consume("a").allowed for _ in range(3)] == [True, True, False]


def test_bucket_never_holds_more_than_the_limit() -> None:
    limiter = RateLimiter(2, clock=FakeClock())
    limiter.restore("a")
    assert [limiter.consume("a").allowed for _ in range(3)] == [True, True, False]


def test_message_says_what_is_limited() -> None:
    limiter = RateLimiter(1, "failed sign-ins", FakeClock())
    limiter.consume("a")
    with pytest.raises(ProblemError, match="More than 1 failed sign-ins a minute; wait 60 seconds"):
        limiter.consume("a").check()


def test_least_recently_used_buckets_are_dropped() -> None:
    limiter = RateLimiter(1, clock=FakeClock(), max_callers=10)
    for number in range(11):
        limiter.consume(str(number))
    assert not limiter.consume("1").allowed
    assert limiter.consume("0").allowed
