"""What the machine has, and what Debian can add to it."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.cache import CACHE, only_one
from tools.errors import ToolError


class MissingError(ToolError):
    """The machine lacks something. The message names it and says how to get it."""


def say(line: str) -> None:
    """Report progress on standard error."""
    print(f"==> {line}" if not line.startswith(" ") else line, file=sys.stderr, flush=True)


def run(*command: str) -> None:
    """Run a command that prints nothing unless it fails.

    Raises:
        ToolError: It failed; with the end of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-2000:]
        raise ToolError(f"{shlex.join(command[:4])} … failed:\n{output}")


def reach_directly(*hosts: str) -> None:
    """Let this process and its children reach *hosts* without the proxy of the environment."""
    names = ("NO_PROXY", "no_proxy")
    before = [host for name in names for host in os.environ.get(name, "").split(",") if host]
    os.environ.update(dict.fromkeys(names, ",".join(dict.fromkeys([*before, *hosts]))))


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that name a proxy."""
    return {key: value for key, value in environment.items() if not key.lower().endswith("_proxy")}


def is_root() -> bool:
    """Return whether this process may create namespaces, mounts and network interfaces."""
    return os.geteuid() == 0


def require_program(program: str, debian_package: str) -> str:
    """Return the path of a program. Install it from Debian first if it is missing.

    Raises:
        MissingError: It is missing and cannot be installed.
    """
    path = shutil.which(program)
    if path is None:
        _install(debian_package, f"the program {program}")
        path = shutil.which(program)
    if path is None:
        raise MissingError(f"the package {debian_package} does not contain the program {program}")
    return path


def unpack_program(program: str, debian_package: str) -> str:
    """Return the path of a program. Take it out of its Debian package first if it is missing.

    The package is unpacked into the cache and not installed, because it would start a service.

    Raises:
        MissingError: It is missing and there is no Debian to take it from.
    """
    unpacked = CACHE / "debian" / program
    path = shutil.which(program) or (str(unpacked) if unpacked.exists() else None)
    if path is not None:
        return path
    if shutil.which("apt-get") is None:
        raise _missing(f"the program {program}", debian_package)
    say(f"unpacking {program} from the package {debian_package}")
    with only_one(CACHE / ".apt.lock"), tempfile.TemporaryDirectory() as folder:
        _apt_get("download", debian_package, folder=folder)
        (package,) = Path(folder).glob("*.deb")
        run("dpkg-deb", "--extract", str(package), folder)
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / "usr" / "bin" / program, unpacked)
    return str(unpacked)


def require_headers(module: str, debian_package: str) -> None:
    """Make sure that pkg-config knows the C headers of *module*.

    Raises:
        MissingError: They are missing and cannot be installed.
    """
    pkg_config = require_program("pkg-config", "pkg-config")
    require_program("gcc", "gcc")
    if subprocess.run([pkg_config, "--exists", module], check=False).returncode:
        _install(debian_package, f"the C headers of {module}")


def _install(debian_package: str, purpose: str) -> None:
    if shutil.which("apt-get") is None or not is_root():
        raise _missing(purpose, debian_package)
    say(f"installing {debian_package} with apt-get")
    with only_one(CACHE / ".apt.lock"):
        _apt_get("install", "--yes", "--no-install-recommends", debian_package)


def _apt_get(command: str, *arguments: str, folder: str | None = None) -> None:
    """Run apt-get; if it fails, once more with fresh lists of packages."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", command, "--quiet", *arguments]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        run("apt-get", "update")
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise MissingError(f"{shlex.join(argv)} failed:\n{done.stderr.decode()[-2000:]}")


def _missing(purpose: str, debian_package: str) -> MissingError:
    return MissingError(
        f"{purpose} is missing: install it (on Debian: apt-get install {debian_package})"
    )
