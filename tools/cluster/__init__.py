"""A real Kubernetes for tests, for the demo and for people.

Three kinds have one interface: `current` is the cluster of your kubeconfig, `kind` runs in a Docker
engine, and `local` consists of processes compiled from pinned Go modules.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tools.cluster import current, host, kind, local, modes
from tools.cluster.current import CurrentCluster
from tools.cluster.kind import KindCluster
from tools.cluster.local import LocalCluster

Cluster = LocalCluster | KindCluster | CurrentCluster


def up(name: str, *, node: bool, mode: str | None = None, owned: bool = False) -> Cluster:
    """Return the cluster of that name. Create it if it does not exist.

    Args:
        name: Small letters, digits and hyphens.
        node: Whether Pods are to run; kind and current always have nodes.
        mode: `current`, `kind` or `local`; None uses CLUSTER, or what the machine can do.
        owned: Whether a new local cluster removes itself when this process ends, however it ends.

    Raises:
        ToolError: The reason why there is no cluster.
    """
    modes.check_name(name)
    host.reach_directly("localhost", "127.0.0.1")
    match choose_mode(mode):
        case "current":
            return current.up(name)
        case "kind":
            return kind.up(name)
        case _:
            return local.up(name, node=node, owned=owned)


def choose_mode(mode: str | None = None) -> str:
    """Return the mode that is requested, otherwise kind where Docker works, otherwise local.

    Raises:
        UsageError: The mode requested does not exist.
    """
    return modes.choose(os.environ, _docker_works, mode)


@contextmanager
def temporary(name: str, *, node: bool) -> Iterator[Cluster]:
    """Have a cluster until the block ends, however it ends.

    Raises:
        ToolError: The reason why there is no cluster.
    """
    mode = choose_mode()
    try:
        yield up(name, node=node, mode=mode, owned=True)
    finally:
        down(name, mode)


@contextmanager
def unless_interrupted(name: str, *, node: bool, mode: str | None = None) -> Iterator[Cluster]:
    """Have a cluster that stays after the block, unless the block is interrupted.

    A cluster that existed before stays even then.

    Raises:
        ToolError: The reason why there is no cluster.
    """
    mode = choose_mode(mode)
    existed = mode == "current" or bool(status(name, mode))
    try:
        yield up(name, node=node, mode=mode)
    except KeyboardInterrupt:
        if not existed:
            host.say(f"interrupted, removing the cluster {name}")
            down(name, mode)
        raise


def down(name: str, mode: str | None = None) -> list[str]:
    """Remove every trace of the cluster and return the modes in which it existed.

    Without a mode, in an argument or in CLUSTER, it is removed in every mode that has it.

    Raises:
        ToolError: It cannot be removed.
    """
    modes.check_name(name)
    removers = {"kind": kind.down, "local": local.down}
    return [mode for mode in _requested(mode, *removers) if removers[mode](name)]


def status(name: str, mode: str | None = None) -> dict[str, str]:
    """Return the state of the cluster's parts. Empty: no such cluster.

    Raises:
        UsageError: The mode requested does not exist.
    """
    modes.check_name(name)
    readers = {"kind": kind.status, "local": local.status}
    return {
        part: state
        for mode in _requested(mode, *readers)
        for part, state in readers[mode](name).items()
    }


def _requested(option: str | None, *candidates: str) -> list[str]:
    """Return the candidates that the option or CLUSTER allows. Without either: all."""
    requested = modes.requested(os.environ, option)
    return [mode for mode in candidates if requested in (None, mode)]


def _docker_works() -> bool:
    if not modes.docker_runs():
        return False
    if modes.docker_has_images():
        return True
    host.say(
        "Docker runs but cannot pull images: using a local cluster instead of kind (CLUSTER=kind "
        "with KIND_IMAGE, a node image that Docker has, uses kind)"
    )
    return False


__all__ = [
    "Cluster",
    "CurrentCluster",
    "KindCluster",
    "LocalCluster",
    "choose_mode",
    "down",
    "status",
    "temporary",
    "unless_interrupted",
    "up",
]
