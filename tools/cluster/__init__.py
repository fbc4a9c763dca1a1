"""A real Kubernetes for tests, for the demo and for people.

Three kinds, one interface: `current` is the cluster of your kubeconfig, `kind` runs in a Docker
engine, `local` is made of processes compiled from pinned Go modules.
"""

import os

from tools.cluster import current, host, kind, local, modes
from tools.cluster.binaries import BuildError
from tools.cluster.current import CurrentCluster
from tools.cluster.host import MissingError
from tools.cluster.kind import KindCluster, KindError
from tools.cluster.local import ComponentError, LocalCluster

Cluster = LocalCluster | KindCluster | CurrentCluster
TROUBLE = (BuildError, ComponentError, KindError, MissingError, ValueError)
"""What a person is told in words: something is missing, broken or not known."""


def up(name: str, *, node: bool, mode: str | None = None) -> Cluster:
    """Make the cluster exist, and return it. Twice is the same as once.

    Args:
        name: Tells clusters side by side apart; small letters, digits and hyphens.
        node: Whether Pods are to run; kind and current always have nodes.
        mode: `current`, `kind` or `local`; None takes what CLUSTER says, else what the machine has.

    Raises:
        ValueError: There is no such mode, or the name is none.
        Exception: What is missing or broken, in words for a person.
    """
    modes.check_name(name)
    host.reach_directly("localhost", "127.0.0.1")
    match modes.choose(os.environ, modes.docker_answers, mode):
        case "current":
            return current.up(name)
        case "kind":
            return kind.up(name)
        case _:
            return local.up(name, node=node)


def down(name: str, mode: str | None = None) -> None:
    """Remove every trace of the cluster; nothing happens if there is none."""
    modes.check_name(name)
    match modes.choose(os.environ, modes.docker_answers, mode):
        case "kind":
            kind.down(name)
        case "local":
            local.down(name)


def status(name: str, mode: str | None = None) -> dict[str, str]:
    """The state of the cluster's parts; empty if there is no cluster."""
    modes.check_name(name)
    match modes.choose(os.environ, modes.docker_answers, mode):
        case "kind":
            return kind.status(name)
        case "local":
            return local.status(name)
        case _:
            return {}


__all__ = [
    "TROUBLE",
    "Cluster",
    "CurrentCluster",
    "KindCluster",
    "LocalCluster",
    "down",
    "status",
    "up",
]
