"""What the process tells of itself: ``/healthz`` to the kubelet, ``/metrics`` to Prometheus.

Everything is read from what is counted anyway at the moment somebody asks. The text format is a few
lines, and the client library would be one more package to pin (see
docs/design/2026-11-metrics.md).
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from download_kube.client import KubeClient
from download_kube.lease import Lease, LeaseLostError
from download_kube.prometheus import TEXT_FORMAT, Samples, family
from download_kube.reflector import Reflector
from download_operator.cache.cache import Picture
from download_operator.work_queue import WorkQueue

STUCK_SECONDS: Final = 120.0
"""No reconcile takes nearly as long: each of its few requests ends after 30 seconds."""
DEAF_SECONDS: Final = 600.0
"""A watch that has heard nothing for this long, with the API server up, is broken."""
PREFIX: Final = "download_operator_"


class PortError(Exception):
    """The port to answer on is somebody else's, or takes more rights than we have."""


class Monitor:
    """Answers about the parts of a running operator."""

    def __init__(
        self,
        client: KubeClient,
        lease: Lease,
        picture: Picture,
        queue: WorkQueue[Any],
        reflectors: Iterable[Reflector[Any]],
    ) -> None:
        self._client = client
        self._lease = lease
        self._picture = picture
        self._queue = queue
        self._reflectors = tuple(reflectors)

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[None]:
        """Answer on *port* of all addresses while the block runs; on 0 on none.

        Raises:
            PortError: the port cannot be had.
        """
        application = web.Application()
        application.add_routes(
            [web.get("/healthz", self._healthz), web.get("/metrics", self._metrics)]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            if port:
                try:
                    await web.TCPSite(runner, port=port).start()
                except OSError as error:
                    raise PortError(f"{port} cannot be had: {error.strerror}") from error
            yield
        finally:
            await runner.cleanup()

    def illness(self) -> str:
        """Return what only a new process can heal, as a sentence; empty if nothing."""
        stuck = self._queue.stuck_seconds()
        if stuck > STUCK_SECONDS:
            return f"a reconcile has not ended for {stuck:.0f} s"
        for reflector in self._reflectors:
            if _silence(reflector) > DEAF_SECONDS:
                return f"the watch of {reflector.path} is silent"
        return ""

    def metrics(self) -> str:
        """Return all there is to know, in Prometheus' text format."""
        queue, answers = self._queue, self._client.responses
        families = [
            _family(
                "reconciles_total",
                "counter",
                "Reconciles of one schedule; one that failed is tried again.",
                ("result",),
                {("success",): queue.succeeded, ("error",): queue.failed},
            ),
            _family(
                "queue_length", "gauge", "Schedules waiting for a worker.", (), {(): len(queue)}
            ),
            _family(
                "oldest_reconcile_seconds",
                "gauge",
                "How long the oldest reconcile under way has been going on.",
                (),
                {(): queue.stuck_seconds()},
            ),
            _family(
                "api_requests_total",
                "counter",
                "Requests to the API server by its answer; code 0: there was none.",
                ("method", "code"),
                {(method, str(code)): count for (method, code), count in answers.items()},
            ),
            _family(
                "watch_failures_total",
                "counter",
                "Lists and watches that failed and were begun anew.",
                ("path",),
                {(each.path,): each.failures for each in self._reflectors},
            ),
            _family(
                "watch_objects_skipped_total",
                "counter",
                "Objects that were too large, or could not be read, and were passed over.",
                ("path",),
                {(each.path,): each.skipped for each in self._reflectors},
            ),
            _family(
                "watch_silence_seconds",
                "gauge",
                "How long ago the API server was heard.",
                ("path",),
                {(each.path,): _silence(each) for each in self._reflectors},
            ),
            _family(
                "leader", "gauge", "Whether this replica may write.", (), {(): self._may_write()}
            ),
            _family(
                "schedules",
                "gauge",
                "Schedules by what their conditions say.",
                ("condition", "status", "reason"),
                self._conditions(),
            ),
        ]
        return "".join(families)

    async def _healthz(self, _: web.Request) -> web.Response:
        illness = self.illness()
        return web.Response(text=f"{illness or 'ok'}\n", status=503 if illness else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": TEXT_FORMAT}
        return web.Response(body=self.metrics().encode(), headers=headers)

    def _may_write(self) -> bool:
        try:
            self._lease.check()
        except LeaseLostError:
            return False
        return True

    def _conditions(self) -> Samples:
        return Counter(
            (condition["type"], condition["status"], condition["reason"])
            for schedule in self._picture.schedules()
            for condition in schedule.status.get("conditions", ())
        )


def _silence(reflector: Reflector[Any]) -> float:
    return max(time.monotonic() - reflector.last_activity, 0.0)


def _family(name: str, kind: str, meaning: str, labels: tuple[str, ...], samples: Samples) -> str:
    return family(PREFIX + name, kind, meaning, labels, samples)
