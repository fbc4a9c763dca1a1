"""Buckets of requests."""

import pytest

from download_api.auth.rate_limit import Rates
from download_api.problems import ProblemError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_s_worth_may_come_at_once_and_no_more() -> None:
    clock = Clock()
    rates = Rates(3, clock)
    assert [rates.take("a").remaining for _ in range(3)] == [2, 1, 0]
    refused = rates.take("a")
    assert not refused.allowed
    with pytest.raises(ProblemError) as caught:
        refused.check()
    assert caught.value.status == 429
    assert caught.value.headers["Retry-After"] == "20"
    assert caught.value.headers["RateLimit"] == '"default";r=0;t=20'
    assert caught.value.headers["RateLimit-Policy"] == '"default";q=3;w=60'


def test_it_fills_up_again() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    for _ in range(60):
        assert rates.take("a").allowed
    clock.now += 0.9
    assert not rates.take("a").allowed
    clock.now += 0.2
    assert rates.take("a").allowed
    clock.now += 3600
    assert rates.take("a").remaining == 59


def test_one_does_not_pay_for_another_and_looking_costs_nothing() -> None:
    rates = Rates(1, Clock())
    assert rates.look("a").allowed
    assert rates.take("a").allowed
    assert not rates.look("a").allowed
    assert rates.take("b").allowed


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("download_api.auth.rate_limit.MAX_ENTRIES", 10)
    rates = Rates(1, Clock())
    for number in range(100):
        rates.take(str(number))
    assert len(rates._buckets) == 10
