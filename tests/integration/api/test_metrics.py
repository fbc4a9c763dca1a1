"""The port of the API's metrics and probes, as Prometheus and the kubelet read it."""

import re
import signal

import httpx
import pytest

from tests.support.api_process import KEY, StartApi
from tools.cluster import LocalCluster
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.ports import free_ports

LABEL = re.compile(r'\w+="[^"]*"')
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
Samples = dict[tuple[str, frozenset[str]], float]
"""Values by name and by labels, such as `method="GET"`."""


@pytest.fixture
def port() -> int:
    """The port of the metrics."""
    (port,) = free_ports(1)
    return port


@pytest.fixture
def api(start_api: StartApi, kubectl: Kubectl, port: int) -> httpx.Client:
    return start_api(key=KEY, namespace=kubectl.namespace, metrics_port=str(port), rate_limit="9")


def read_metrics(port: int) -> Samples:
    response = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (name.removeprefix("download_api_"), frozenset(LABEL.findall(labels))): float(value)
        for name, labels, value in SAMPLE.findall(response.text)
    }


def labels(**values: str) -> frozenset[str]:
    return frozenset(f'{name}="{value}"' for name, value in values.items())


def test_requests_are_counted_by_route_not_by_path(api: httpx.Client, port: int) -> None:
    one = "/schedules/{schedule_id}"
    created = api.post(
        "/schedules", json={"name": "a", "url": "https://example.com", "cron_expression": "@daily"}
    )
    for _ in range(2):
        api.get(created.headers["Location"])
    api.get("/schedules/team.nothing")
    api.put(created.headers["Location"], json={})
    api.request("BREW", "/schedules")
    api.get("/no/such/path")
    samples = read_metrics(port)
    for route, count in (
        (labels(method="POST", route="/schedules", status="2xx"), 1),
        (labels(method="GET", route=one, status="2xx"), 2),
        (labels(method="GET", route=one, status="4xx"), 1),
        (labels(method="PUT", route=one, status="4xx"), 1),
        (labels(method="GET", route="other", status="4xx"), 1),
    ):
        assert samples["request_seconds_count", route] == count
        assert samples["request_seconds_bucket", route | labels(le="+Inf")] == count
        buckets = [key for key in samples if key[0] == "request_seconds_bucket" and key[1] > route]
        assert len(buckets) == 12
        assert 0 < samples["request_seconds_sum", route] < 60
    all_labels = "".join(label for _, sample in samples for label in sample)
    assert 'method="other"' in all_labels
    assert "BREW" not in all_labels
    assert "team.nothing" not in all_labels
    for error_type in ("schedule_not_found", "not_found", "validation_error", "method_not_allowed"):
        assert samples["problems_total", labels(error_type=error_type)] == 1
    assert samples["cluster_requests_total", labels(method="POST", code="201")] == 1
    assert samples["cluster_requests_total", labels(method="GET", code="404")] == 1


def test_open_streams_are_counted(api: httpx.Client, port: int) -> None:
    with api.stream("GET", "/events") as response:
        assert response.status_code == 200
        assert read_metrics(port)["streams", labels()] == 1
    wait_for("the stream's end", lambda: read_metrics(port)["streams", labels()] == 0)


def test_problems_before_any_route_are_counted(api: httpx.Client, port: int) -> None:
    while api.get("/cron/preview?expr=@daily").status_code == 200:
        pass
    samples = read_metrics(port)
    assert samples["problems_total", labels(error_type="rate_limit_exceeded")] == 1
    api.post("/schedules", content=iter([b" " * 65536] * 17))
    too_large = {"Content-Length": str(2**21)}
    assert api.post("/schedules", content=b" " * 2**21, headers=too_large).status_code == 413
    samples = read_metrics(port)
    assert samples["problems_total", labels(error_type="body_too_large")] == 1


def test_metrics_and_probes_have_a_port_of_their_own(api: httpx.Client, port: int) -> None:
    for path in ("/metrics", "/livez", "/readyz"):
        assert api.get(path).status_code == 404
        assert httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{port}/schedules").status_code == 404


def test_probes_tell_a_dead_process_from_a_dead_cluster(
    api: httpx.Client, port: int, cluster: LocalCluster
) -> None:
    def probe(path: str) -> int:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30).status_code

    cluster.signal("kube-apiserver", signal.SIGKILL)
    wait_for("a failing probe", lambda: probe("/readyz") == 503)
    assert probe("/livez") == 200
    cluster.restart("kube-apiserver")
    wait_for("a probe that succeeds", lambda: probe("/readyz") == 200)
