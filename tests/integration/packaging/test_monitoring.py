"""The alerts fire when they should, and the Prometheus operator accepts the chart's objects."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from download_api.server.metrics import StateCollector
from download_api.server.request_metrics import RequestMetrics
from tests.support.operator_process import StartOperator
from tools.cluster import LocalCluster, binaries, go, host
from tools.cluster.kubectl import Kubectl
from tools.generate.manifests import CHART, REPOSITORY

ALERTS = CHART / "files" / "alerts.yaml"
PINNED = Path(__file__).parent / "monitoring"
MODULE = "github.com/prometheus-operator/prometheus-operator"
LEADER = "download_operator_leader"
SCHEDULES = "download_operator_schedules"


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def promtool(*arguments: str) -> None:
    program = host.unpack_program("promtool", "prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_guide_lists_the_alerts() -> None:
    guide = (REPOSITORY / "docs" / "guides" / "operating.md").read_text()
    listed = re.findall(r"^\| `(Download\w+)` \| `(.*)` \| (\w+) \|$", guide, re.MULTILINE)
    assert listed == [(rule["alert"], rule["expr"], rule["for"]) for rule in rules()]


@pytest.mark.parametrize(
    ("series", "firing"),
    [
        ({}, {"DownloadOperatorDown"}),
        ({f'{LEADER}{{pod="a"}}': 0, f'{LEADER}{{pod="b"}}': 0}, {"DownloadOperatorDown"}),
        ({f'{LEADER}{{pod="a"}}': 1, f'{LEADER}{{pod="b"}}': 1}, {"DownloadOperatorDown"}),
        ({f'{LEADER}{{pod="a"}}': 1, f'{LEADER}{{pod="b"}}': 0}, set()),
        (
            {
                LEADER: 1,
                f'{SCHEDULES}{{pod="a",condition="Ready",status="False",reason="NameTaken"}}': 1,
                f'{SCHEDULES}{{pod="b",condition="Ready",status="False",reason="NameTaken"}}': 1,
            },
            {"DownloadScheduleNotReady"},
        ),
        (
            {
                LEADER: 1,
                f'{SCHEDULES}{{condition="Ready",status="True",reason="Scheduled"}}': 2,
                f'{SCHEDULES}{{condition="Healthy",status="False",reason="LastRunFailed"}}': 1,
            },
            {"DownloadsFail"},
        ),
        (
            {
                LEADER: 1,
                'download_operator_reconciles_total{result="success"}': "0+9x99",
                'download_operator_reconciles_total{result="error"}': "0+1x99",
            },
            {"DownloadOperatorErrors"},
        ),
        (
            {
                LEADER: 1,
                'download_api_request_seconds_count{route="/a",status="5xx"}': "0+1x99",
                'download_api_request_seconds_count{route="/b",status="5xx"}': "0+1x99",
            },
            {"DownloadAPIErrors"},
        ),
    ],
)
def test_alerts_fire_when_they_should(
    series: dict[str, int | str], firing: set[str], tmp_path: Path
) -> None:
    values = {name: f"{v}x99" if isinstance(v, int) else v for name, v in series.items()}
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(firing)]
    expected = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "90m",
        "exp_samples": samples,
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in values.items()],
        "promql_expr_test": [expected],
    }
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": [test]}))
    promtool("test", "rules", str(file))


def test_alerts_use_metrics_that_exist(start_operator: StartOperator, kubectl: Kubectl) -> None:
    promtool("check", "rules", str(ALERTS))
    operator = start_operator(namespaces=kubectl.namespace)
    text = operator.get("/metrics").text + api_metrics()
    for rule in rules():
        for name in re.findall(r"download_\w+", rule["expr"]):
            assert f"# TYPE {name.removesuffix('_count')} " in text


def api_metrics() -> str:
    registry = CollectorRegistry()
    client: Any = SimpleNamespace(responses={})
    streams: Any = ()
    registry.register(StateCollector(client, streams))
    RequestMetrics(registry)
    return generate_latest(registry).decode()


def test_prometheus_operator_accepts_the_objects_of_the_chart(
    cluster: LocalCluster, kubectl: Kubectl
) -> None:
    helm = binaries.ensure("helm")["helm"]
    values = [f"metrics.{kind}.enabled=true" for kind in ("podMonitor", "prometheusRule")]
    values += ["crd.install=false", "metrics.labels.release=mine"]
    command = [str(helm), "template", "x", str(CHART), f"--namespace={kubectl.namespace}"]
    settings = [f"--set={value}" for value in values]
    rendered = subprocess.run(
        [*command, *settings], capture_output=True, text=True, check=True
    ).stdout
    objects = [
        item
        for item in yaml.safe_load_all(rendered)
        if item and item["apiVersion"] == "monitoring.coreos.com/v1"
    ]
    names = [f"{item['kind'].lower()}s" for item in objects]
    assert names == ["podmonitors", "prometheusrules"]
    for name in names:
        # `kubectl apply` would copy it into an annotation, for which it is too long.
        kubectl("create", f"--filename={definitions() / f'monitoring.coreos.com_{name}.yaml'}")
    try:
        for name in names:
            kubectl("wait", "--for=condition=Established", f"crd/{name}.monitoring.coreos.com")
        for item in objects:
            kubectl("create", "--validate=strict", "--filename=-", stdin=json.dumps(item))
            assert item["metadata"]["labels"]["release"] == "mine"
    finally:
        for name in names:
            kubectl("delete", f"crd/{name}.monitoring.coreos.com")


def definitions() -> Path:
    """Return the folder of the Prometheus operator's CRDs, at the pinned version."""
    done = subprocess.run(
        [go.program(), "mod", "download", "-json", MODULE],
        cwd=PINNED,
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(json.loads(done.stdout)["Dir"]) / "example" / "prometheus-operator-crd"
