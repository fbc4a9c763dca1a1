"""The page about metrics."""

from tools.generate.reference import pages
from tools.generate.reference.metrics import render

TEXT = """# HELP x_requests_total Requests, by method.
# TYPE x_requests_total counter
x_requests_total{method="GET",code="200"} 1
# HELP x_leader Whether it may write.
# TYPE x_leader gauge
x_leader 1
# HELP x_seconds Time of a request.
# TYPE x_seconds histogram
x_seconds_bucket{route="/",le="0.1"} 1
x_seconds_sum{route="/"} 1
x_seconds_count{route="/"} 1
"""


def test_metric_has_type_labels_and_meaning() -> None:
    text = render(TEXT, "")

    assert "| `x_leader` | gauge |  | Whether it may write. |" in text
    assert "| `x_requests_total` | counter | `method`, `code` | Requests, by method. |" in text
    assert "| `x_seconds` | histogram | `route` | Time of a request. |" in text


def test_page_has_labels_of_every_labelled_metric() -> None:
    text = pages.page("metrics")
    assert "`condition`, `reason`, `status`" in text
    assert "`method`, `route`, `status`" in text
    assert "`error_type`" in text
