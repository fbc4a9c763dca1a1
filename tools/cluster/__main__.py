"""`python -m tools.cluster up|down|status|load`: a real Kubernetes by hand."""

import argparse
import os
import sys
from pathlib import Path

from tools import cluster as clusters
from tools import command
from tools.cluster import modes


def main() -> int:
    """Carry out the command line and return the exit code."""
    arguments = _parser().parse_intermixed_args()
    match arguments.command:
        case "up":
            name, node, mode = arguments.name, arguments.node, arguments.mode
            with clusters.unless_interrupted(name, node=node, mode=mode) as cluster:
                print(f"export KUBECONFIG={cluster.kubeconfig}")
        case "down":
            _down(arguments.name, arguments.mode)
        case "load":
            cluster = clusters.up(arguments.name, node=True, mode=arguments.mode)
            cluster.load(*arguments.archives)
        case _:
            return _status(arguments.name, arguments.mode)
    return 0


def _down(name: str, mode: str | None) -> None:
    removed = clusters.down(name, mode)
    for kind in removed:
        print(f"removed the {kind} cluster {name}")
    if modes.requested(os.environ, mode) == "current":
        print("the cluster of your kubeconfig stays as it is")
    elif not removed:
        print(f"there is no cluster {name}")


def _status(name: str, mode: str | None) -> int:
    parts = clusters.status(name, mode)
    for part, state in parts.items():
        print(f"{part:<26}{state}")
    if not parts:
        print(f"there is no cluster {name}")
    return 0 if set(parts.values()) == {"running"} else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "load"])
    parser.add_argument("archives", nargs="*", type=Path, help="image archives, for load")
    parser.add_argument("--name", default="dev", help="name of the cluster (dev)")
    parser.add_argument("--node", action="store_true", help="let Pods run, too (local mode)")
    parser.add_argument(
        "--mode",
        help="current, kind or local; default: CLUSTER, otherwise what the machine can do (up, "
        "load) or every mode that has the cluster (down, status)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command.run(main))
