"""The figures of `make bench`, and their ratios. Pure."""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

OURS, PEER = "ours", "peer"
SHOWN = {
    "rawlive": ["objects_per_s"],
    "raw": ["writes_per_s"],
    "live": ["objects_per_s", "op_cpu_ms_each", "lat_p50_ms", "rss_mib"],
    "backlog": [
        "objects_per_s",
        "objects_per_s_after_first",
        "first_s",
        "op_cpu_ms_each",
        "apiserver_cpu_s",
        "etcd_cpu_s",
        "kcm_cpu_s",
    ],
    "restart": ["op_writes", "steady_s", "rss_mib"],
    "complete": [
        "completions_per_s",
        "lat_p50_ms",
        "lat_p99_ms",
        "op_cpu_ms_each",
        "status_versions",
        "lost",
        "dup",
        "count_error",
    ],
}
"""Figures that are printed, by scenario."""


class Figures:
    """The figures of all rounds, by scenario, size, rate and operator."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int, int, str], dict[str, list[float]]]
        self._values = defaultdict(lambda: defaultdict(list))

    def add(self, row: dict[str, Any]) -> None:
        """Add one row of the load generator's results."""
        key = (row["scenario"], row["n"], row.get("rate", 0), row["op"])
        for name, value in row["v"].items():
            self._values[key][name].append(value)
        for process, seconds in row.get("cpu", {}).items():
            self._values[key][f"{process}_cpu_s"].append(seconds)

    def lines(self) -> Iterator[str]:
        """Return the table: our medians, the peer's, and the ratio of each round."""
        yield "medians; ratio: ours to the peer's of the same round, its median, least and most"
        for scenario, size, rate, operator in sorted(self._values):
            if operator == OURS:
                ours = self._values[scenario, size, rate, OURS]
                peers = self._values.get((scenario, size, rate, PEER), {})
                for name in SHOWN.get(scenario, []):
                    label = f"{scenario:9} n={size:<6} rate={rate:<4} {name:26}"
                    yield f"{label} {_compare(ours[name], peers.get(name))}"


def _compare(ours: list[float], peers: list[float] | None) -> str:
    text = f"{statistics.median(ours):10.2f}"
    if not peers:
        return text
    text += f"   peer {statistics.median(peers):10.2f}"
    if all(peers):
        ratios = [own / other for own, other in zip(ours, peers, strict=True)]
        text += f"   ratio {statistics.median(ratios):5.2f}"
        text += f" ({min(ratios):.2f} to {max(ratios):.2f})"
    return text
