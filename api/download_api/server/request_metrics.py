"""Counters of requests and problems."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""Label of unknown methods and paths. Callers could otherwise create any number of series."""

# It would add a series `*_created` to each of ours.
disable_created_metrics()  # type: ignore[no-untyped-call] # without annotations


class RequestMetrics:
    """Counts requests and problems since the process started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "download_api_request_seconds",
            "Requests by the time until the response's headers; a stream goes on after them.",
            ("method", "route", "status"),
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._problems = Counter(
            "download_api_problems",
            "Error responses by their error_type.",
            ("error_type",),
            registry=registry,
        )

    def count_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: HTTP method.
            route: path template of the route; None if there is no such route.
            status: HTTP status of the response.
            seconds: time until the response's headers were sent.
        """
        method = method if method in METHODS else OTHER
        self._seconds.labels(method, route or OTHER, f"{status // 100}xx").observe(seconds)

    def count_problem(self, error_type: str) -> None:
        """Count an error response."""
        self._problems.labels(error_type).inc()
