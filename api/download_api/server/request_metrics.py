"""What is counted of the requests."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from download_kube import prometheus

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""Label of methods and paths that there are not: callers could think of any number of them."""

LABELS: Final = ("method", "route", "status")


class Traffic:
    """Counts requests and problems since the process started."""

    def __init__(self) -> None:
        self.problems: Counter[str] = Counter()
        """Answers other than the one asked for, by their ``error_type``."""
        self._counts: dict[tuple[str, ...], list[int]] = defaultdict(
            lambda: [0] * (len(BOUNDS) + 1)
        )
        self._seconds: dict[tuple[str, ...], float] = defaultdict(float)

    def count(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: of HTTP.
            route: template of its path; None: there is no such path.
            status: of the answer.
            seconds: until the answer's head was sent; a stream goes on after that.
        """
        known = method if method in METHODS else OTHER
        key = (known, route or OTHER, f"{status // 100}xx")
        self._counts[key][bisect_left(BOUNDS, seconds)] += 1
        self._seconds[key] += seconds

    def histogram(self, name: str, meaning: str) -> str:
        """Return all requests in Prometheus' text format."""
        totals = {key: float(sum(counts)) for key, counts in self._counts.items()}
        return "".join(
            [
                prometheus.head(name, "histogram", meaning),
                *prometheus.lines(f"{name}_bucket", (*LABELS, "le"), dict(self._buckets())),
                *prometheus.lines(f"{name}_sum", LABELS, self._seconds),
                *prometheus.lines(f"{name}_count", LABELS, totals),
            ]
        )

    def _buckets(self) -> Iterator[tuple[tuple[str, ...], float]]:
        bounds = [*map(str, BOUNDS), "+Inf"]
        for key, counts in self._counts.items():
            for bound, below in zip(bounds, accumulate(counts), strict=True):
                yield (*key, bound), below
