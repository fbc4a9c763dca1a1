"""The parts of a running operator, as its health and its metrics see them."""

import time
from dataclasses import dataclass
from typing import Any, Final

from download_kube.client import KubeClient
from download_kube.lease import Lease
from download_kube.reflector import Reflector
from download_operator.cache.cache import ClusterCache
from download_operator.reconciling.work_queue import WorkQueue

MAX_TURN_SECONDS: Final = 120.0
"""Longest turn of a key: a reconcile makes a few requests, each of which ends after 30 seconds."""
WATCH_STALE_SECONDS: Final = 600.0
"""A watch that received nothing for this long, while the API server is reachable, is broken."""


@dataclass(frozen=True)
class Monitor:
    """Parts that are read when somebody asks; nothing is counted for that alone."""

    client: KubeClient
    lease: Lease
    cache: ClusterCache
    queue: WorkQueue[Any]
    reflectors: tuple[Reflector[Any], ...]

    def unhealthy_reason(self) -> str:
        """Return what only a restart can repair, as a sentence; empty if nothing."""
        oldest = self.queue.oldest_turn_seconds()
        if oldest > MAX_TURN_SECONDS:
            return f"a reconcile has not ended for {oldest:.0f} s"
        for reflector in self.reflectors:
            if idle_seconds(reflector) > WATCH_STALE_SECONDS:
                return f"the watch of {reflector.path} has received nothing for ten minutes"
        return ""


def idle_seconds(reflector: Reflector[Any]) -> float:
    """Return how long ago the API server last sent something; 0 if the reflector is not running."""
    return max(time.monotonic() - reflector.last_activity, 0.0)
