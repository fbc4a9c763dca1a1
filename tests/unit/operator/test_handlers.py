"""How kopf is configured, and what it learns about the operator's health."""

import asyncio
from itertools import islice
from types import SimpleNamespace
from typing import Any

import kopf
import pytest

from download_operator import handlers
from download_operator.handlers import EndlessBackoffs
from download_operator.reconciling.work_queue import MAX_RETRY_SECONDS


def test_kopf_never_gives_up_and_never_waits_long() -> None:
    backoffs = EndlessBackoffs()

    for _ in range(2):  # kopf starts from the beginning for each request
        seconds = list(islice(backoffs, 1000))
        assert len(seconds) == 1000
        assert seconds[0] < 1
        assert max(seconds) <= MAX_RETRY_SECONDS


def test_kopf_neither_watches_nor_writes() -> None:
    settings = kopf.OperatorSettings()

    handlers.configure_kopf(settings)

    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled


def test_probe_fails_with_the_reason() -> None:
    reasons = iter(["", "a reconcile has not ended for 121 s"])
    monitor = SimpleNamespace(unhealthy_reason=lambda: next(reasons))
    memo = kopf.Memo(operator=SimpleNamespace(monitor=monitor))
    probe: Any = handlers.probe  # kopf passes more than the handler takes

    assert asyncio.run(probe(memo=memo))
    with pytest.raises(kopf.PermanentError, match="121 s"):
        asyncio.run(probe(memo=memo))
