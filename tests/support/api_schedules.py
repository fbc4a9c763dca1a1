"""Schedules made over HTTP, and histories written as the operator does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.kubectl import Kubectl

REPORT = {"name": "Daily report", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
START = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


def create(api: httpx.Client, **members: Any) -> dict[str, Any]:
    answer = api.post("/schedules", json={**REPORT, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def run(number: int, state: str, **more: Any) -> dict[str, Any]:
    start = START + timedelta(days=number)
    return {
        "id": f"run-{number}",
        "job": f"nightly-{number}",
        "trigger": "Schedule",
        "state": state,
        "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "attempts": 1,
        **more,
    }


def record(kubectl: Kubectl, made: dict[str, Any], *runs: dict[str, Any]) -> None:
    """Write a history as the operator does: newest first."""
    newest = sorted(runs, key=lambda entry: str(entry["startTime"]), reverse=True)
    status = {"status": {"history": newest}}
    kubectl.patch("dls", made["resource"], status, "--subresource=status")
