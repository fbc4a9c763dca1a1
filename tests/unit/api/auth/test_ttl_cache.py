"""Entries of the cache expire."""

from cachetools import TLRUCache

from download_api.auth.ttl_cache import Entry, expiring_cache
from tests.support.fake_clock import FakeClock


def test_entry_is_gone_at_its_expiry() -> None:
    clock = FakeClock()
    cache: TLRUCache[str, Entry[int]] = expiring_cache(clock)
    cache["a"] = Entry(1, expires_at=10)

    clock.now = 9.9
    assert cache.get("a") == Entry(1, expires_at=10)

    clock.now = 10
    assert cache.get("a") is None


def test_entry_that_has_expired_already_replaces_an_older_one() -> None:
    clock = FakeClock(5)
    cache: TLRUCache[str, Entry[int]] = expiring_cache(clock)
    cache["a"] = Entry(1, expires_at=10)

    cache["a"] = Entry(2, expires_at=5)

    assert cache.get("a") is None


def test_cache_holds_ten_thousand_entries() -> None:
    cache: TLRUCache[int, Entry[int]] = expiring_cache(FakeClock())
    for number in range(10_000):
        cache[number] = Entry(number, expires_at=10)
    assert cache.get(0) == Entry(0, expires_at=10)

    cache[10_000] = Entry(10_000, expires_at=10)

    assert len(cache) == 10_000
    assert cache.get(0) is not None
    assert cache.get(1) is None  # the least recently used
