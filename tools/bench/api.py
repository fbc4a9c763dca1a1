"""``python -m tools.bench.api``: the HTTP API compared with the API server behind it.

``httpload`` (Go) sends both the same requests in turns, over a few connections that each wait for
their response. Callers of the API have a token and rights by a Role (``api.auth: kubernetes``); the
API has the rights that the chart grants. Figures of a shared machine say little, so compare only
the ratios of one run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.support.callers import (
    API_ACCOUNT,
    AUDIENCE,
    bearer,
    binding,
    install_account,
    kubeconfig_of,
    role,
)
from tests.support.schedules import schedule
from tools import command
from tools.bench import CRD
from tools.cluster import LocalCluster, binaries, go, local
from tools.cluster.kubectl import Kubectl, wait_for
from tools.cluster.ports import free_ports
from tools.errors import ToolError

HERE = Path(__file__).parent
NAMESPACE = "bench"
GROUP = f"/apis/downloads.dev/v1alpha1/namespaces/{NAMESPACE}/downloadschedules"
RUNS = 20
Figures = dict[tuple[int, str, str], dict[str, list[float]]]


@dataclass(frozen=True)
class Side:
    """One of the two, with what the load generator needs to reach it."""

    name: str
    origin: str
    headers: dict[str, str]
    ca: str = ""


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    program: Path
    connections: int
    api_server: Side
    api: Side
    pid: int

    def load(self, side: Side, method: str, path: str, requests: int, **more: Any) -> Any:
        """Send requests and return the figures.

        Raises:
            ToolError: A request failed.
        """
        plan = {"method": method, "path": path, "requests": requests, "origin": side.origin}
        plan |= {"headers": side.headers, "ca": side.ca, "connections": self.connections, **more}
        done = subprocess.run(
            [self.program], input=json.dumps(plan), capture_output=True, text=True, check=True
        )
        figures = json.loads(done.stdout)
        if figures["failed"]:
            raise ToolError(f"{side.name}: {figures['failed']} failed, such as {figures['error']}")
        return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.api", description=__doc__)
    parser.add_argument("--sizes", default="100,10000", help="numbers of schedules, growing")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--requests", type=int, default=2000, help="of one object, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="get,list,history,create")
    arguments = parser.parse_args()
    figures: Figures = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = folder / "httpload"
        build = [go.program(), "build", "-o", str(program), "."]
        subprocess.run(build, cwd=HERE / "httpload", check=True)
        with (
            local.temporary("bench-api", node=False) as cluster,
            _bench(cluster, folder, program, arguments.connections) as bench,
        ):
            existing = 0
            for size in map(int, arguments.sizes.split(",")):
                _fill(bench, existing, size)
                existing = size
                for number in range(arguments.rounds):
                    _round(bench, size, number, arguments, figures)
    _print(figures)


@contextmanager
def _bench(cluster: LocalCluster, folder: Path, program: Path, connections: int) -> Iterator[Bench]:
    everywhere = Kubectl(binaries.ensure("kubectl")["kubectl"], cluster.kubeconfig)
    everywhere("apply", f"--filename={CRD}")
    everywhere("wait", "--for=condition=Established", "crd/downloadschedules.downloads.dev")
    everywhere("create", "namespace", NAMESPACE)
    kubectl = everywhere.within(NAMESPACE)
    kubectl("create", "serviceaccount", "caller")
    resources = ["downloadschedules", "downloadschedules/status"]
    kubectl.apply(
        role("caller", [("downloads.dev", resources, ["*"])]),
        binding("caller", {"kind": "ServiceAccount", "name": "caller", "namespace": NAMESPACE}),
    )
    install_account(kubectl, "api.auth=kubernetes")
    server = json.loads(kubectl("config", "view", "--raw", "--output=json"))["clusters"][0][
        "cluster"
    ]
    json_body = {"Content-Type": "application/json"}
    token = kubectl("create", "token", "caller", "--duration=2h").strip()
    ours = kubectl("create", "token", "caller", f"--audience={AUDIENCE}", "--duration=2h").strip()
    port, metrics_port = free_ports(2)
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig_of(kubectl, API_ACCOUNT, folder)),
        "DOWNLOAD_API_PORT": str(port),
        "DOWNLOAD_API_AUTH": "kubernetes",
        "DOWNLOAD_API_NAMESPACE": NAMESPACE,
        "DOWNLOAD_API_RATE_LIMIT": "0",
        "DOWNLOAD_API_METRICS_PORT": str(metrics_port),
    }
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "download_api"], env=environment, stdout=log, stderr=log
        )
    try:
        origin = f"http://127.0.0.1:{port}"
        wait_for("the API", lambda: _is_ready(f"http://127.0.0.1:{metrics_port}/readyz"))
        yield Bench(
            program,
            connections,
            Side(
                "kube-apiserver",
                server["server"],
                {**bearer(token), **json_body},
                server["certificate-authority"],
            ),
            Side("download_api", origin, {**bearer(ours), **json_body}),
            process.pid,
        )
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urlopen(url) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _fill(bench: Bench, existing: int, size: int) -> None:
    """Add schedules with a full history until there are *size*."""
    print(f"==> {size} schedules with {RUNS} runs each", flush=True)
    new = json.dumps(schedule("s{n}"))
    more = {"first": existing}
    bench.load(bench.api_server, "POST", GROUP, size - existing, body=new, **more)
    status = json.dumps({"status": {"history": [_run(number) for number in range(RUNS)]}})
    merge = {**bench.api_server.headers, "Content-Type": "application/merge-patch+json"}
    where = f"{GROUP}/s{{n}}/status"
    bench.load(
        bench.api_server, "PATCH", where, size - existing, body=status, headers=merge, **more
    )


def _run(number: int) -> dict[str, Any]:
    return {
        "id": f"0b4f4c5e-5f8e-4a3c-9d55-0a2a4f1f6f{number:02x}",
        "job": f"report-2992372{number}",
        "trigger": "Schedule",
        "state": "Completed",
        "scheduledTime": f"2026-11-{30 - number:02}T02:00:00Z",
        "startTime": f"2026-11-{30 - number:02}T02:00:01Z",
        "completionTime": f"2026-11-{30 - number:02}T02:00:05Z",
        "attempts": 1,
        "bytes": 1024,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "httpStatus": 200,
        "contentType": "text/csv",
        "location": f"bench/report/202611{30 - number:02}T020000Z-report.csv",
    }


def _round(
    bench: Bench, size: int, number: int, arguments: argparse.Namespace, figures: Figures
) -> None:
    many, few = arguments.requests, max(arguments.requests // 10, 1)
    created = f"c{size}x{number}x"
    new = {"name": f"{created}{{n}}", "url": "https://example.com/", "cron_expression": "0 0 1 1 *"}
    one, ours = f"{GROUP}/s{{r}}", f"/schedules/{NAMESPACE}.s{{r}}"
    page = f"?limit=100&namespace={NAMESPACE}"
    contests: dict[str, list[tuple[Side, str, str, int, str]]] = {
        "get": [
            (bench.api_server, "GET", one, many, ""),
            (bench.api, "GET", ours, many, ""),
        ],
        "list": [
            (bench.api_server, "GET", f"{GROUP}?limit=100", few, ""),
            (bench.api, "GET", f"/schedules{page}", few, ""),
        ],
        "history": [
            (bench.api_server, "GET", one, many, ""),
            (bench.api, "GET", f"{ours}/history", many, ""),
        ],
        "create": [
            (bench.api_server, "POST", GROUP, few, json.dumps(schedule(f"{created}k{{n}}"))),
            (bench.api, "POST", "/schedules", few, json.dumps(new)),
        ],
    }
    for name in arguments.only.split(","):
        for side, method, path, requests, body in contests[name]:
            measured = bench.load(side, method, path, requests, body=body, range=size)
            for figure, value in measured.items():
                if isinstance(value, int | float):
                    figures[size, name, side.name][figure].append(value)


def _print(figures: Figures) -> None:
    print("medians of the rounds; ratio of the p99s: ours to the API server's")
    print(f"{'':22}{'requests/s':>22}{'p50 ms':>18}{'p99 ms':>18}   ratio")
    for size, name in sorted({key[:2] for key in figures}):
        ours, theirs = (
            {f: statistics.median(v) for f, v in figures[size, name, side].items()}
            for side in ("download_api", "kube-apiserver")
        )
        columns = "".join(
            f"{ours[f]:>{width}.{digits}f} /{theirs[f]:8.{digits}f}"
            for f, width, digits in (("per_s", 12, 0), ("p50_ms", 8, 2), ("p99_ms", 8, 2))
        )
        print(f"{name:10} of {size:<8}{columns}   {ours['p99_ms'] / theirs['p99_ms']:5.2f}")


if __name__ == "__main__":
    sys.exit(command.run(main))
