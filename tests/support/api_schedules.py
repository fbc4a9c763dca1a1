"""Schedules created over HTTP, and histories written as the operator writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tools.cluster.kubectl import Kubectl

REPORT = {"name": "Daily report", "url": "https://example.com/x", "cron_expression": "0 2 * * *"}
START = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
"""Start of run 0; each later run starts a day after the one before."""


def create(api: httpx.Client, **members: Any) -> dict[str, Any]:
    """Create a schedule; return it as the API shows it."""
    response = api.post("/schedules", json={**REPORT, **members})
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def run(number: int, state: str, **members: Any) -> dict[str, Any]:
    """Return an entry of a history."""
    start = START + timedelta(days=number)
    return {
        "id": f"run-{number}",
        "job": f"nightly-{number}",
        "trigger": "Schedule",
        "state": state,
        "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "attempts": 1,
        **members,
    }


def record(kubectl: Kubectl, created: dict[str, Any], *runs: dict[str, Any]) -> None:
    """Write the history of a schedule, newest run first."""
    newest_first = sorted(runs, key=lambda entry: str(entry["startTime"]), reverse=True)
    status = {"status": {"history": newest_first}}
    kubectl.patch("dls", created["resource"], status, "--subresource=status")
