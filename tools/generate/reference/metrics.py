"""docs/reference/metrics.md, from what the processes' `/metrics` serve. Pure."""

import re
from typing import Final

from tools.generate.reference.markdown import code, page, sentence, table

_HELP: Final = re.compile(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)$", re.MULTILINE)

_INTRODUCTION: Final = """
Both processes serve Prometheus' text format, without authentication. How to scrape them, and
which alerts the chart brings: [Operating it](../guides/operating.md#monitor).
"""
_OPERATOR: Final = "`GET /metrics` on the operator's port `health` (8081)."
_API: Final = "`GET /metrics` on the API's port `metrics` (8082)."


def render(operator_text: str, api_text: str) -> str:
    """Return the page; each metric in the texts should have a sample, which shows its labels."""
    return page(
        "Metrics",
        _INTRODUCTION,
        "## Operator",
        _OPERATOR,
        _table(operator_text),
        "## HTTP API",
        _API,
        _table(api_text),
    )


def _table(text: str) -> str:
    rows = [
        (code(name), kind, ", ".join(map(code, _labels(text, name))), sentence(meaning))
        for name, meaning, kind in _HELP.findall(text)
    ]
    return table(("Metric", "Type", "Labels", "Meaning"), sorted(rows))


def _labels(text: str, name: str) -> list[str]:
    """Return the labels of the first sample of a metric, without the bounds of a histogram."""
    sample = re.search(rf"^{name}(?:_bucket|_count)?\{{(.*)\}} ", text, re.MULTILINE)
    labels = re.findall(r'(\w+)="', sample[1]) if sample else []
    return [label for label in labels if label != "le"]
