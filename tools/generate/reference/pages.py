"""Every page of docs/reference, with what it is made from. The edge: reads files, runs programs."""

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest

from download_api.server.metrics import StateCollector
from download_api.server.request_metrics import RequestMetrics
from download_operator import metrics as operator_metrics
from download_schedule.crd import build_crd
from download_worker.errors import PERMANENT, RETRIED_STATUSES, Reason
from tools.cluster import binaries
from tools.generate.reference import (
    conditions_and_events,
    failure_reasons,
    labels_and_annotations,
    metrics,
    rbac,
    resource,
    settings,
)
from tools.generate.reference.constants import Constant, constants

REPOSITORY: Final = Path(__file__).parents[3]
CHART: Final = REPOSITORY / "charts" / "download-operator"
FOLDER: Final = Path("docs/reference")
WORKER: Final = "operator/download_worker"
OPERATOR: Final = "operator/download_operator"
SCHEDULE: Final = "api/download_schedule"
API: Final = "api/download_api"


def pages() -> dict[Path, str]:
    """Return the pages by their paths in the repository."""
    return {path: render() for path, render in _PAGES.items()}


def page(name: str) -> str:
    """Return the page `docs/reference/NAME.md`."""
    return _PAGES[FOLDER / f"{name}.md"]()


def _resource() -> str:
    return resource.render(build_crd())


def _failure_reasons() -> str:
    return failure_reasons.render(
        [constant for constant in in_package(WORKER) if constant.value in set(Reason)],
        {reason.value for reason in PERMANENT},
        {Reason.HTTP_STATUS.value: failure_reasons.statuses(RETRIED_STATUSES)},
        in_package(OPERATOR, SCHEDULE),
    )


def _conditions_and_events() -> str:
    return conditions_and_events.render(in_package(OPERATOR))


def _settings() -> str:
    task = in_package(f"{SCHEDULE}/attempt")
    return settings.render(printed_help("operator"), printed_help("api"), task)


def _metrics() -> str:
    return metrics.render(served_by_operator(), served_by_api())


def _labels_and_annotations() -> str:
    return labels_and_annotations.render(in_package(SCHEDULE, OPERATOR, API))


def _rbac() -> str:
    return rbac.render(
        {
            "With the chart's defaults": rendered_chart(),
            "With `api.auth: key`": rendered_chart("--set=api.auth=key"),
            "With a `namespaceSelector` in `operator.allow`": rendered_chart(
                "--set=operator.allow[0].cidr=10.0.0.0/8",
                "--set=operator.allow[0].namespaceSelector.matchLabels.team=data",
            ),
        }
    )


def in_package(*folders: str) -> Iterator[Constant]:
    """Yield the constants of all modules in some folders."""
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield from constants(path.read_text(encoding="utf-8"))


@functools.cache
def printed_help(process: str) -> str:
    """Return what a process prints with `--help`."""
    return subprocess.run(
        [sys.executable, "-m", f"download_{process}", "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def rendered_chart(*values: str) -> str:
    """Return the chart as `helm template` renders it."""
    helm = binaries.ensure("helm")["helm"]
    return subprocess.run(
        [helm, "template", "download-operator", str(CHART), "--namespace=place", *values],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


_CLIENT: Final = SimpleNamespace(responses={("GET", 200): 1})


class _Queue:
    """A work queue as the metrics see it."""

    succeeded = failed = 1

    def __len__(self) -> int:
        return 1

    def oldest_turn_seconds(self) -> float:
        return 0.0


def served_by_operator() -> str:
    """Return what the operator's `/metrics` serves, with a sample of each metric."""
    condition = {"type": "Ready", "status": "True", "reason": "Scheduled"}
    schedule = SimpleNamespace(status={"conditions": [condition]})
    monitor: Any = SimpleNamespace(
        client=_CLIENT,
        lease=SimpleNamespace(check=lambda: None),
        cache=SimpleNamespace(schedules=lambda: [schedule]),
        queue=_Queue(),
        reflectors=[SimpleNamespace(path="/api/v1/pods", failures=1, skipped=1, last_activity=0.0)],
    )
    return operator_metrics.render(monitor).decode()


def served_by_api() -> str:
    """Return what the API's `/metrics` serves, with a sample of each metric."""
    client: Any = _CLIENT
    streams: Any = []
    registry = CollectorRegistry()
    registry.register(StateCollector(client, streams))
    requests = RequestMetrics(registry)
    requests.count_request("GET", "/schedules", 200, 0.1)
    requests.count_problem("unauthorized")
    return generate_latest(registry).decode()


_PAGES: Final[dict[Path, Callable[[], str]]] = {
    FOLDER / "conditions-and-events.md": _conditions_and_events,
    FOLDER / "downloadschedule.md": _resource,
    FOLDER / "failure-reasons.md": _failure_reasons,
    FOLDER / "labels-and-annotations.md": _labels_and_annotations,
    FOLDER / "metrics.md": _metrics,
    FOLDER / "rbac.md": _rbac,
    FOLDER / "settings.md": _settings,
}
PATHS: Final = tuple(_PAGES)
