"""Which kind of cluster to use. Pure, apart from the questions to Docker."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping

from tools.errors import ToolError

MODES = ("current", "kind", "local")
SMALLEST_IMAGE = "hello-world"
"""It comes from the registry of kind's node images: if Docker can pull it, it can pull them."""


class UsageError(ToolError, ValueError):
    """A name or a mode is not one. The message says what to write instead."""


def requested(environment: Mapping[str, str], option: str | None = None) -> str | None:
    """Return the mode of the option or of CLUSTER, or None where neither names one.

    Raises:
        UsageError: There is no such mode.
    """
    mode = option or environment.get("CLUSTER") or None
    if mode is not None and mode not in MODES:
        raise UsageError(f"CLUSTER is {mode!r}: write {', '.join(MODES[:-1])} or {MODES[-1]}")
    return mode


def choose(
    environment: Mapping[str, str], docker_works: Callable[[], bool], option: str | None = None
) -> str:
    """Return the mode that is requested, otherwise kind where Docker works, otherwise local.

    Raises:
        UsageError: The mode requested does not exist.
    """
    return requested(environment, option) or ("kind" if docker_works() else "local")


def check_name(name: str) -> None:
    """Refuse what is not a name: it would name another folder when the cluster is removed.

    Raises:
        UsageError: The message says what a name consists of.
    """
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,39}", name):
        raise UsageError(
            f"{name!r} cannot be the name of a cluster: write up to 40 small letters, digits and "
            "hyphens"
        )


def docker_runs() -> bool:
    """Return whether a Docker engine responds."""
    docker = shutil.which("docker")
    return docker is not None and _succeeds(docker, "info", "--format={{.ServerVersion}}")


def docker_has_images() -> bool:
    """Return whether Docker has or can pull KIND_IMAGE, or an image from where kind's come."""
    image = os.environ.get("KIND_IMAGE", SMALLEST_IMAGE)
    return _succeeds("docker", "image", "inspect", image) or _succeeds("docker", "pull", image)


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
