"""Build Kubernetes Events, for news that do not fit into a status. Pure."""

import hashlib
from datetime import datetime
from typing import Final

from download_operator.cache.objects import Schedule
from download_schedule.model import API_VERSION, KIND
from download_schedule.types import JSONObject

TICK_MISSED: Final = "TickMissed"
"""Event: a tick is counted as missed; the note says which, and why it got no run."""
RUN_REFUSED: Final = "RunRefused"
"""Event: a run that was asked for does not start. Either the API server refused its Job, and the
operator asks again; or the tick cannot have a run, and the message says what to write."""
REPORTER: Final = "downloads.dev/download-operator"
MAX_NOTE: Final = 1024
"""Longest note of an events.k8s.io/v1 Event, in bytes."""

_ACTIONS: Final = {TICK_MISSED: "CountMissed", RUN_REFUSED: "StartRun"}
"""What the operator was doing, by reason; an Event must have an action."""


def build_warning(schedule: Schedule, reason: str, note: str, now: datetime) -> JSONObject:
    """Return an Event about *schedule* for one of the reasons above.

    The same note has the same name, so that the API server stores it once.
    """
    prefix = schedule.name[:52].rstrip("-.")  # no part of a name may begin or end with a hyphen
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
