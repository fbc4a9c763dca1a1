"""What the API counts, asked for as Prometheus does."""

import re
from pathlib import Path

import httpx
import pytest

from tests.integration.api.conftest import KEY, StartApi
from tests.support.kubectl import Kubectl, wait_for
from tests.support.ports import free_ports

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
Samples = dict[tuple[str, str], float]


@pytest.fixture
def port() -> int:
    """The port of the numbers."""
    (free,) = free_ports(1)
    return free


@pytest.fixture
def api(start_api: StartApi, tmp_path: Path, kubectl: Kubectl, port: int) -> httpx.Client:
    file = tmp_path / "key"
    file.write_text(KEY)
    client = start_api(
        key_file=str(file), namespace=kubectl.namespace, metrics_port=str(port), rate_limit="9"
    )
    client.headers["X-API-Key"] = KEY
    return client


def metrics(port: int) -> Samples:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (name.removeprefix("download_api_"), labels): float(number)
        for name, labels, number in SAMPLE.findall(answer.text)
    }


def of(method: str, route: str, status: str) -> str:
    return f'method="{method}",route="{route}",status="{status}"'


def test_requests_are_counted_by_route_and_not_by_path(api: httpx.Client, port: int) -> None:
    one = "/schedules/{schedule_id}"
    made = api.post(
        "/schedules", json={"name": "a", "url": "https://example.com", "cron_expression": "@daily"}
    )
    for _ in range(2):
        api.get(made.headers["Location"])
    api.get("/schedules/team.nothing")
    api.put(made.headers["Location"], json={})
    api.request("BREW", "/schedules")
    api.get("/no/such/path")
    found = metrics(port)
    for labels, count in (
        (of("POST", "/schedules", "2xx"), 1),
        (of("GET", one, "2xx"), 2),
        (of("GET", one, "4xx"), 1),
        (of("PUT", one, "4xx"), 1),
        (of("GET", "other", "4xx"), 1),
    ):
        assert found["request_seconds_count", labels] == count
        assert found["request_seconds_bucket", f'{labels},le="+Inf"'] == count
        buckets = [n for (name, of_), n in found.items() if of_.startswith(f"{labels},le=")]
        assert len(buckets) == 12
        assert 0 < found["request_seconds_sum", labels] < 60
    assert any('method="other"' in labels for _, labels in found)
    assert not any("BREW" in labels or "team.nothing" in labels for _, labels in found)
    assert found["problems_total", 'error_type="schedule_not_found"'] == 1
    assert found["problems_total", 'error_type="not_found"'] == 1
    assert found["problems_total", 'error_type="validation_error"'] == 1
    assert found["problems_total", 'error_type="method_not_allowed"'] == 1
    assert found["cluster_requests_total", 'method="POST",code="201"'] == 1
    assert found["cluster_requests_total", 'method="GET",code="404"'] == 1


def test_who_has_to_wait_and_who_listens(api: httpx.Client, port: int) -> None:
    with api.stream("GET", "/events") as answer:
        assert answer.status_code == 200
        assert metrics(port)["streams", ""] == 1
    wait_for("the stream's end", lambda: metrics(port)["streams", ""] == 0)
    while api.get("/cron/preview?expr=@daily").status_code == 200:
        pass
    found = metrics(port)
    assert found["problems_total", 'error_type="rate_limit_exceeded"'] == 1
    api.post("/schedules", content=iter([b" " * 65536] * 17))
    too_large = {"Content-Length": str(2**21)}
    assert api.post("/schedules", content=b" " * 2**21, headers=too_large).status_code == 413
    assert metrics(port)["problems_total", 'error_type="body_too_large"'] == 1


def test_the_numbers_are_on_no_other_port(api: httpx.Client, port: int) -> None:
    assert api.get("/metrics").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{port}/schedules").status_code == 404
