"""What the machine has, and what Debian can add to it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping


class MissingError(Exception):
    """The machine lacks something; the message names it and says how to get it."""


def say(line: str) -> None:
    """Tell the person waiting what is being done, on standard error."""
    print(f"==> {line}" if not line.startswith(" ") else line, file=sys.stderr, flush=True)


def reach_directly(*hosts: str) -> None:
    """Keep this process, and those it starts, from asking the person's proxy for these hosts."""
    names = ("NO_PROXY", "no_proxy")
    known = [host for name in names for host in os.environ.get(name, "").split(",") if host]
    os.environ.update(dict.fromkeys(names, ",".join(dict.fromkeys([*known, *hosts]))))


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of what has no business with the person's proxy."""
    return {key: value for key, value in environment.items() if not key.lower().endswith("_proxy")}


def is_root() -> bool:
    """Whether this process may make namespaces, mounts and interfaces."""
    return os.geteuid() == 0


def require_program(program: str, debian_package: str) -> str:
    """The path of a program, installed from Debian first where that is possible.

    Raises:
        MissingError: The program is not there and cannot be installed.
    """
    found = shutil.which(program)
    if found is None:
        _install(debian_package, f"the program {program}")
        found = shutil.which(program)
    if found is None:
        raise MissingError(f"the package {debian_package} did not bring the program {program}")
    return found


def require_headers(module: str, debian_package: str) -> None:
    """Make sure that the C headers pkg-config knows as `module` are there.

    Raises:
        MissingError: They are not there and cannot be installed.
    """
    pkg_config = require_program("pkg-config", "pkg-config")
    require_program("gcc", "gcc")
    if subprocess.run([pkg_config, "--exists", module], check=False).returncode:
        _install(debian_package, f"the C headers of {module}")


def _install(debian_package: str, purpose: str) -> None:
    apt = shutil.which("apt-get")
    if apt is None or not is_root():
        raise MissingError(
            f"{purpose} is missing: install it (on Debian: apt-get install {debian_package})"
        )
    say(f"installing {debian_package} with apt-get")
    command = [apt, "install", "--yes", "--no-install-recommends", debian_package]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
        subprocess.run([apt, "update"], stdout=subprocess.DEVNULL, check=True)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
