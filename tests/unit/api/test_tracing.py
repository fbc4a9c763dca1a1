"""Request ids and traces as callers send them."""

import re

import pytest

from download_api.tracing import Trace, parse_trace

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_valid_id_and_traceparent_are_used() -> None:
    trace = parse_trace({"x-request-id": "mine-1", "traceparent": TRACEPARENT})
    assert trace == Trace("mine-1", TRACEPARENT)
    assert trace.annotations() == {
        "downloads.dev/request-id": "mine-1",
        "downloads.dev/traceparent": TRACEPARENT,
    }


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 129, "ü"])
def test_malformed_id_and_traceparent_are_replaced(request_id: str) -> None:
    trace = parse_trace({"x-request-id": request_id, "traceparent": "00-1-2-3"})
    assert re.fullmatch("[0-9a-f]{32}", trace.request_id)
    assert trace.traceparent is None
