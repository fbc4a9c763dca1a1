"""``python -m tools.bench``: the operator beside a Go controller and the bare API server.

``loadgen`` (Go) measures any operator that turns resources into CronJobs and records finished Jobs;
``peer`` is one written with controller-runtime that does just this job, with 32 workers. Both get
the same load on the same control plane, in turns: each scenario at each size by one, then at once
by the other, who goes first in the next round. The same writes for all are also made by the load
generator alone (``raw``), with each side's definition of the resource: what the API server can
take, and what the resource itself costs. Figures of a shared machine say little; their ratios are
what is printed.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from pathlib import Path
from typing import Any

from tools.bench import ROOT, SOURCES, compile_sources
from tools.cluster import LocalCluster, binaries, local

HERE = Path(__file__).parent
CRD = ROOT / "manifests" / "crd.yaml"
OURS, PEER = "ours", "peer"
TURNS = (("raw",), ("live",), ("backlog", "restart"))
"""Scenarios by what one operator does before it is the other's turn; a restart needs a backlog."""
PROGRAMS = {"etcd": "etcd", "kube-apiserver": "apiserver", "kube-controller-manager": "kcm"}

Figures = dict[tuple[str, int, int, str], dict[str, list[float]]]


def main() -> int:
    """Obey the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--sizes", default="1000", help="numbers of schedules, comma-separated")
    parser.add_argument("--completions", default="500", help="numbers of runs, comma-separated")
    parser.add_argument("--rates", default="0,20", help="completions a second; 0: flat out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenarios", default="raw,live,backlog,restart,complete")
    arguments = parser.parse_args()
    figures: Figures = defaultdict(lambda: defaultdict(list))
    compile_sources()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        programs = {name: _build(name, folder) for name in ("loadgen", "peer")}
        programs["python"] = _python(folder)
        cluster = local.up("bench", node=False)
        try:
            _write_pids(cluster, folder / "pids")
            for number in range(1, arguments.rounds + 1):
                print(f"==> round {number} of {arguments.rounds}", flush=True)
                operators = (OURS, PEER) if number % 2 else (PEER, OURS)
                for turn in _turns(arguments):
                    for operator in operators:
                        _measure(operator, turn, cluster, programs, folder)
        finally:
            cluster.down()
        for line in (folder / "results.jsonl").read_text().splitlines():
            _take(json.loads(line), figures)
    _print(figures)
    return 0


def _build(name: str, folder: Path) -> Path:
    binary = folder / name
    subprocess.run([binaries.go(), "build", "-o", binary, "."], cwd=HERE / name, check=True)
    return binary


def _python(folder: Path) -> Path:
    """Return a Python with the operator's own packages: kopf imports others where they are."""
    home = folder / "python"
    venv.create(home)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", f"--python={python}", "--quiet"]
    packages = ROOT / "requirements" / "operator.txt"
    print("==> the packages of the operator's image", flush=True)
    subprocess.run([*pip, "install", "--require-hashes", f"--requirement={packages}"], check=True)
    return python


def _turns(arguments: argparse.Namespace) -> list[list[str]]:
    """Return the load generator's arguments for each turn."""
    asked = arguments.scenarios.split(",")
    rates = arguments.rates.split(",") if "complete" in asked else []
    return [
        [f"-scenarios={','.join(here)}", f"-n={size}"]
        for size in arguments.sizes.split(",")
        for scenarios in TURNS
        if (here := [scenario for scenario in scenarios if scenario in asked])
    ] + [["-scenarios=complete", f"-m={arguments.completions}", f"-rates={rate}"] for rate in rates]


def _measure(
    operator: str,
    turn: list[str],
    cluster: LocalCluster,
    programs: dict[str, Path],
    folder: Path,
) -> None:
    """Let the load generator loose on one operator, with the resource as that one wants it."""
    if operator == OURS:
        command = shlex.join([str(programs["python"]), "-m", "download_operator"])
        flags = [f"-crd={CRD}", "-uid-key=id", "-state-key=state"]
        flags.append("-count-paths=status.counts.completed,status.counts.failed")
    else:
        command = f"{programs['peer']} -workers 32"
        flags = [f"-crd={HERE / 'peer' / 'crd.yaml'}"]
    settings = {"WORKER_IMAGE": "example.com/worker:1", "HEALTH_PORT": "0", "IDENTITY": "bench"}
    environment = {f"DOWNLOAD_OPERATOR_{name}": value for name, value in settings.items()}
    subprocess.run(
        [
            programs["loadgen"],
            f"-kubeconfig={cluster.kubeconfig}",
            f"-cp-pids={folder / 'pids'}",
            f"-out={folder}",
            f"-op={operator}={command}",
            "-rounds=1",
            "-pods",
            *turn,
            *flags,
        ],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(SOURCES)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _write_pids(cluster: LocalCluster, path: Path) -> None:
    """Write the ids of the control plane's processes, as this machine knows them."""
    mine = str(cluster.layout.folder)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if Path(words[0]).name in PROGRAMS and any(mine in word for word in words):
            found.append(process.name)
    path.write_text("\n".join(found) + "\n")


def _take(row: dict[str, Any], figures: Figures) -> None:
    key = (row["scenario"], row["n"], row.get("rate", 0), row["op"])
    for name, value in row["v"].items():
        figures[key][name].append(value)
    for process, seconds in row.get("cpu", {}).items():
        figures[key][f"{process}_cpu_s"].append(seconds)


def _print(figures: Figures) -> None:
    shown = {
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
    print("medians; ratio: ours to the peer's of the same round, the median, least and most")
    for scenario, size, rate, operator in sorted(figures):
        if operator == PEER:
            continue
        for name in shown.get(scenario, []):
            ours = statistics.median(figures[scenario, size, rate, operator][name])
            line = f"{scenario:9} n={size:<6} rate={rate:<4} {name:26} {ours:10.2f}"
            theirs = figures.get((scenario, size, rate, PEER), {}).get(name)
            if operator == OURS and theirs:
                line += f"   peer {statistics.median(theirs):10.2f}"
                if all(theirs):
                    mine = figures[scenario, size, rate, OURS][name]
                    ratios = [own / other for own, other in zip(mine, theirs, strict=True)]
                    line += f"   ratio {statistics.median(ratios):5.2f}"
                    line += f" ({min(ratios):.2f} to {max(ratios):.2f})"
            print(line)


if __name__ == "__main__":
    sys.exit(main())
