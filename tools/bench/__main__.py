"""``python -m tools.bench``: the operator compared with a Go controller and the bare API server.

``loadgen`` (Go) measures any operator that turns resources into CronJobs and records finished Jobs.
``peer`` is an operator written with controller-runtime that does just that, with 32 workers. Both
get the same load on the same control plane: each scenario at each size by one, then by the other,
and the next round starts with the other one. ``raw`` is the same writes made by the load generator
alone, once with each side's definition of the resource: it shows what the API server can take, and
what the definition costs. Figures of a shared machine say little, so the ratios are printed.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tools import command
from tools.bench import CRD, ROOT, SOURCES, compile_sources
from tools.bench.report import OURS, PEER, Figures
from tools.cluster import LocalCluster, go, host, local
from tools.errors import ToolError

HERE = Path(__file__).parent
TURNS = (("raw",), ("live",), ("backlog", "restart"))
"""Scenarios that one operator goes through before it is the other's turn. A restart needs a
backlog."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")


def main() -> None:
    """Measure and print."""
    arguments = _parser().parse_args()
    compile_sources()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        programs = {name: _build(name, folder) for name in ("loadgen", "peer")}
        programs["python"] = _create_python(folder)
        with local.temporary("bench", node=False) as cluster:
            _write_pids(cluster, folder / "pids")
            for number in range(1, arguments.rounds + 1):
                print(f"==> round {number} of {arguments.rounds}", flush=True)
                operators = (OURS, PEER) if number % 2 else (PEER, OURS)
                for turn in _turns(arguments):
                    for operator in operators:
                        _measure(operator, turn, cluster, programs, folder)
        figures = Figures()
        for line in (folder / "results.jsonl").read_text().splitlines():
            figures.add(json.loads(line))
    print("\n".join(figures.lines()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--sizes", default="1000", help="numbers of schedules, comma-separated")
    parser.add_argument("--completions", default="500", help="number of runs")
    parser.add_argument("--rates", default="0,20", help="runs that end in a second; 0: all at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenarios", default="raw,live,backlog,restart,complete")
    return parser


def _build(name: str, folder: Path) -> Path:
    program = folder / name
    build = [go.program(), "build", "-buildvcs=false", "-o", str(program), "."]
    if subprocess.run(build, cwd=HERE / name, check=False).returncode:
        raise ToolError(f"{name} does not compile; the reason is above")
    return program


def _create_python(folder: Path) -> Path:
    """Return a Python with the packages of the operator's image: kopf imports others if it can."""
    home = folder / "python"
    venv.create(home)
    python = home / "bin" / "python"
    packages = ROOT / "requirements" / "operator.txt"
    print("==> installing the packages of the operator's image", flush=True)
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", f"--python={python}")
    host.run(*uv, "--require-hashes", f"--requirement={packages}")
    return python


def _turns(arguments: argparse.Namespace) -> list[list[str]]:
    """Return the load generator's arguments for each turn."""
    requested = arguments.scenarios.split(",")
    rates = arguments.rates.split(",") if "complete" in requested else []
    return [
        [f"-scenarios={','.join(scenarios)}", f"-n={size}"]
        for size in arguments.sizes.split(",")
        for turn in TURNS
        if (scenarios := [scenario for scenario in turn if scenario in requested])
    ] + [["-scenarios=complete", f"-m={arguments.completions}", f"-rate={rate}"] for rate in rates]


def _measure(
    operator: str,
    turn: list[str],
    cluster: LocalCluster,
    programs: dict[str, Path],
    folder: Path,
) -> None:
    """Run the load generator against one operator, with that operator's definition."""
    if operator == OURS:
        argv = shlex.join([str(programs["python"]), "-m", "download_operator"])
        flags = [f"-crd={CRD}", "-uid-key=id", "-state-key=state"]
        flags.append("-count-paths=status.counts.completed,status.counts.failed")
    else:
        argv = f"{programs['peer']} -workers 32"
        flags = [f"-crd={HERE / 'peer' / 'crd.yaml'}"]
    settings = {"WORKER_IMAGE": "example.com/worker:1", "HEALTH_PORT": "0", "IDENTITY": "bench"}
    environment = {f"DOWNLOAD_OPERATOR_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [
            programs["loadgen"],
            f"-kubeconfig={cluster.kubeconfig}",
            f"-cp-pids={folder / 'pids'}",
            f"-out={folder}",
            f"-op={operator}={argv}",
            "-pods",
            *turn,
            *flags,
        ],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(SOURCES)},
        check=False,
    )
    if done.returncode:
        raise ToolError(f"loadgen failed with {operator}; the reason is above")


def _write_pids(cluster: LocalCluster, path: Path) -> None:
    """Write the process ids of the control plane, as this machine counts them."""
    folder = str(cluster.layout.folder)
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if Path(words[0]).name in CONTROL_PLANE and any(folder in word for word in words):
            pids.append(process.name)
    path.write_text("\n".join(pids) + "\n")


if __name__ == "__main__":
    sys.exit(command.run(main))
