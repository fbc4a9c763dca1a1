"""The operator's metrics. The numbers exist anyway; they are read when Prometheus asks for them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from download_kube.lease import Lease, LeaseLostError
from download_operator.cache.cache import ClusterCache
from download_operator.monitor import Monitor, idle_seconds

PREFIX: Final = "download_operator_"
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

Samples = Mapping[tuple[str, ...], float]
"""Numbers by label values."""


def render(monitor: Monitor) -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OperatorCollector(monitor))
    return generate_latest(registry)


class OperatorCollector(Collector):
    """Reads the metrics of a running operator."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its samples."""
        client, queue = self._monitor.client, self._monitor.queue
        reflectors = self._monitor.reflectors
        yield _counter(
            "reconciles",
            "Reconciles of one schedule. One that failed is tried again.",
            ("result",),
            {("success",): queue.succeeded, ("error",): queue.failed},
        )
        yield _gauge("queue_length", "Schedules that wait for a worker.", {(): len(queue)})
        yield _gauge(
            "oldest_reconcile_seconds",
            "How long the oldest current reconcile has lasted.",
            {(): queue.oldest_turn_seconds()},
        )
        yield _counter(
            "api_requests",
            "Requests to the API server by status code; code 0: no response came.",
            ("method", "code"),
            {(method, str(code)): count for (method, code), count in client.responses.items()},
        )
        yield _counter(
            "watch_failures",
            "Lists and watches that failed and were started again.",
            ("path",),
            {(reflector.path,): reflector.failures for reflector in reflectors},
        )
        yield _counter(
            "watch_objects_skipped",
            "Objects that were skipped because they were too large or could not be parsed.",
            ("path",),
            {(reflector.path,): reflector.skipped for reflector in reflectors},
        )
        yield _gauge(
            "watch_silence_seconds",
            "How long ago the API server last sent something.",
            {(reflector.path,): idle_seconds(reflector) for reflector in reflectors},
            ("path",),
        )
        yield _gauge(
            "leader", "Whether this replica may write.", {(): _may_write(self._monitor.lease)}
        )
        yield _gauge(
            "schedules",
            "Schedules by what their conditions say.",
            _count_conditions(self._monitor.cache),
            ("condition", "status", "reason"),
        )


def _counter(name: str, text: str, labels: Sequence[str], samples: Samples) -> Metric:
    """Return a counter; its samples end in ``_total``."""
    return _filled(CounterMetricFamily(PREFIX + name, text, labels=labels), samples)


def _gauge(name: str, text: str, samples: Samples, labels: Sequence[str] = ()) -> Metric:
    return _filled(GaugeMetricFamily(PREFIX + name, text, labels=labels), samples)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, samples: Samples) -> Metric:
    for values, number in samples.items():
        family.add_metric(values, number)
    return family


def _may_write(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLostError:
        return False
    return True


def _count_conditions(cache: ClusterCache) -> Samples:
    return Counter(
        (condition["type"], condition["status"], condition["reason"])
        for schedule in cache.schedules()
        for condition in schedule.status.get("conditions", ())
    )
