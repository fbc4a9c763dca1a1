"""`python -m tools.cluster up|down|status|load`: a real Kubernetes by hand."""

import argparse
import sys
from pathlib import Path

from tools import cluster


def main() -> int:
    """Do what the command line says; return the exit code."""
    arguments = _parser().parse_intermixed_args()
    try:
        return _obey(arguments)
    except cluster.TROUBLE as error:
        print(error, file=sys.stderr)
        return 1


def _obey(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            made = cluster.up(arguments.name, node=arguments.node, mode=arguments.mode)
            print(f"export KUBECONFIG={made.kubeconfig}")
        case "down":
            cluster.down(arguments.name, arguments.mode)
        case "load":
            made = cluster.up(arguments.name, node=True, mode=arguments.mode)
            made.load(*arguments.archives)
        case _:
            found = cluster.status(arguments.name, arguments.mode)
            for part, state in found.items():
                print(f"{part:<26}{state}")
            if not found:
                print(f"there is no cluster {arguments.name}")
            return 0 if found and set(found.values()) == {"running"} else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "load"])
    parser.add_argument("archives", nargs="*", type=Path, help="image archives, for load")
    parser.add_argument("--name", default="dev", help="tells clusters apart (dev)")
    parser.add_argument("--node", action="store_true", help="make Pods run, too (local mode)")
    parser.add_argument("--mode", help="current, kind or local; default: CLUSTER, else by machine")
    return parser


if __name__ == "__main__":
    sys.exit(main())
