"""Counters of requests."""

from prometheus_client import CollectorRegistry

from download_api.server.request_metrics import RequestMetrics


def test_requests_are_counted_by_time_and_by_class_of_status() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for seconds in (0.001, 0.005, 0.02, 99):
        metrics.count_request("GET", "/schedules", 204, seconds)

    labels = {"method": "GET", "route": "/schedules", "status": "2xx"}
    for bound, count in (("0.005", 2), ("0.01", 2), ("0.025", 3), ("10.0", 3), ("+Inf", 4)):
        name = "download_api_request_seconds_bucket"
        assert registry.get_sample_value(name, {**labels, "le": bound}) == count
    assert registry.get_sample_value("download_api_request_seconds_sum", labels) == 99.026
    assert registry.get_sample_value("download_api_request_seconds_count", labels) == 4


def test_unknown_methods_and_paths_share_one_series() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    metrics.count_request("BREW", None, 503, 0.3)
    labels = {"method": "other", "route": "other", "status": "5xx"}
    assert registry.get_sample_value("download_api_request_seconds_count", labels) == 1


def test_problems_are_counted_by_error_type() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    metrics.count_problem("not_found")
    labels = {"error_type": "not_found"}
    assert registry.get_sample_value("download_api_problems_total", labels) == 1
