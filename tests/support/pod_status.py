"""The status that a kubelet would report for a download's Pod."""

from typing import Any


def pod_status(phase: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a Pod in this phase, with its container in this state."""
    container = {
        "name": "download",
        "image": "example.com/worker:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {"phase": phase, "containerStatuses": [container]}
