"""Manifests of DownloadSchedules for tests."""

from typing import Any

URL = "https://example.com/report.csv"


def schedule(name: str, /, **spec: Any) -> dict[str, Any]:
    """Return a DownloadSchedule. It fires once a year by default."""
    return {
        "apiVersion": "downloads.dev/v1alpha1",
        "kind": "DownloadSchedule",
        "metadata": {"name": name},
        "spec": {"url": URL, "schedule": "0 0 1 1 *", **spec},
    }


def condition(resource: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """Return the condition of a type, or an empty one."""
    conditions = (resource or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})
