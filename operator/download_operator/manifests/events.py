"""Build the Kubernetes Events by which the operator tells people what a status cannot."""

import hashlib
from datetime import datetime
from typing import Any, Final

from download_operator.cache.objects import Schedule
from download_schedule.model import API_VERSION, KIND

TICK_MISSED: Final = "TickMissed"
RUN_REFUSED: Final = "RunRefused"
REPORTER: Final = "downloads.dev/download-operator"
MAX_NOTE: Final = 1024
"""Bytes, of events.k8s.io/v1 Event."""


_ACTIONS: Final = {TICK_MISSED: "CountMissed", RUN_REFUSED: "StartRun"}
"""What we were doing, by reason; an Event must say so."""


def warning(schedule: Schedule, reason: str, note: str, now: datetime) -> dict[str, Any]:
    """Return an Event about *schedule* for one of the reasons above.

    What is said again has the same name, so that the API server keeps it once.
    """
    prefix = schedule.name[:52].rstrip("-.")  # a part of a name must not begin with a hyphen
    digest = hashlib.sha256("\0".join((schedule.uid, reason, note)).encode()).hexdigest()[:10]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": schedule.namespace, "name": f"{prefix}-{digest}"},
        "eventTime": now.isoformat(timespec="microseconds"),
        "type": "Warning",
        "reason": reason,
        "action": _ACTIONS[reason],
        "note": note.encode()[:MAX_NOTE].decode(errors="ignore"),
        "reportingController": REPORTER,
        "reportingInstance": "download-operator",
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": schedule.namespace,
            "name": schedule.name,
            "uid": schedule.uid,
        },
    }
