"""The text that Prometheus reads."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from download_api.server.metrics import StateCollector
from download_api.server.request_metrics import RequestMetrics


def test_metrics_have_exactly_the_documented_names() -> None:
    registry = CollectorRegistry()
    client: Any = SimpleNamespace(responses=Counter({("GET", 200): 3, ("GET", 0): 1}))
    streams: Any = [object()]
    registry.register(StateCollector(client, streams))
    metrics = RequestMetrics(registry)
    metrics.count_request("GET", "/schedules", 200, 0.1)
    metrics.count_problem("not_found")

    lines = generate_latest(registry).decode().splitlines()

    assert {
        line.split()[2:] and tuple(line.split()[2:4]) for line in lines if "# TYPE" in line
    } == {
        ("download_api_streams", "gauge"),
        ("download_api_cluster_requests_total", "counter"),
        ("download_api_request_seconds", "histogram"),
        ("download_api_problems_total", "counter"),
    }
    assert "download_api_streams 1.0" in lines
    assert 'download_api_cluster_requests_total{code="200",method="GET"} 3.0' in lines
    assert 'download_api_cluster_requests_total{code="0",method="GET"} 1.0' in lines
