"""Which kind of cluster to use. Pure but for `docker_answers`."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping

MODES = ("current", "kind", "local")
SMALLEST_IMAGE = "hello-world"
"""From where kind's node images come as well: if it can be pulled, so can they."""


def choose(
    environment: Mapping[str, str], docker: Callable[[], bool], asked: str | None = None
) -> str:
    """The mode: what is asked for, else CLUSTER, else kind with a Docker engine, else local.

    Raises:
        ValueError: The mode asked for is none; says which there are.
    """
    wanted = asked or environment.get("CLUSTER", "")
    if wanted:
        if wanted not in MODES:
            raise ValueError(f"CLUSTER is {wanted!r}: write {', '.join(MODES[:-1])} or {MODES[-1]}")
        return wanted
    return "kind" if docker() else "local"


def check_name(name: str) -> None:
    """Refuse a name that is none: what belongs to a cluster is removed by its name.

    Raises:
        ValueError: Says what a name is made of.
    """
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,39}", name):
        raise ValueError(
            f"no cluster is called {name!r}: write up to 40 small letters, digits and hyphens"
        )


def docker_answers() -> bool:
    """Whether a Docker engine is running, and has or can pull a node image for kind."""
    docker = shutil.which("docker")
    if docker is None or not _succeeds(docker, "info", "--format={{.ServerVersion}}"):
        return False
    image = os.environ.get("KIND_IMAGE", SMALLEST_IMAGE)
    return _succeeds(docker, "image", "inspect", image) or _succeeds(docker, "pull", image)


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
