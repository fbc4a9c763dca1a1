"""Metrics that are read where they are kept."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from download_api.server.streams import Streams
from download_kube.client import KubeClient


class StateCollector(Collector):
    """Reads numbers where they are kept, at the moment somebody asks."""

    def __init__(self, client: KubeClient, streams: Streams) -> None:
        self._client = client
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Yield the open streams, and the requests to the API server."""
        yield GaugeMetricFamily(
            "download_api_streams",
            "Open streams: events, logs and files that are being sent.",
            value=len(self._streams),
        )
        requests = CounterMetricFamily(
            "download_api_cluster_requests",
            "Requests to the API server by the status of its response; code 0: no response.",
            labels=("method", "code"),
        )
        for (method, status), count in self._client.responses.items():
            requests.add_metric((method, str(status)), count)
        yield requests
