"""The two programs that can build a Dockerfile: Docker, and buildah where no engine runs."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tools.cache import CACHE
from tools.cluster.host import require_program, say
from tools.errors import ToolError
from tools.images.base_image import REFERENCE, base_archive

REPOSITORY = Path(__file__).parents[2]


class BuildFailedError(ToolError):
    """An image could not be built. The message ends with the output of the engine."""


class Engine(Protocol):
    """A program that builds images."""

    def build(self, target: str, reference: str, context: Path, archive: Path) -> None:
        """Build a target of the Dockerfile and save it as an archive."""


@dataclass(frozen=True)
class Docker:
    """A running Docker engine."""

    program: str

    def build(self, target: str, reference: str, context: Path, archive: Path) -> None:
        """Build a target of the Dockerfile and save it as an archive."""
        if not self._has_base():
            _run(self.program, "load", f"--input={base_archive()}")
        dockerfile = f"--file={REPOSITORY / 'Dockerfile'}"
        tag = f"--tag={reference}"
        _run(self.program, "build", f"--target={target}", tag, dockerfile, str(context))
        _run(self.program, "save", f"--output={archive}", reference)

    def _has_base(self) -> bool:
        return _succeeds(self.program, "image", "inspect", REFERENCE) or _succeeds(
            self.program, "pull", "--quiet", REFERENCE
        )


@dataclass(frozen=True)
class Buildah:
    """buildah, with a store of its own.

    The driver `overlay` needs root and takes half the time. `vfs` copies all files for each layer.
    """

    program: str
    driver: str
    store: Path = CACHE / "buildah"

    def build(self, target: str, reference: str, context: Path, archive: Path) -> None:
        """Build a target of the Dockerfile and save it as an archive."""
        if not self._has_base():
            self._run("pull", "--quiet", "--policy=never", f"docker-archive:{base_archive()}")
        dockerfile = f"--file={REPOSITORY / 'Dockerfile'}"
        self._run(
            *("build", "--isolation=chroot", "--format=docker", "--pull-never", "--quiet"),
            *(f"--target={target}", f"--tag={reference}", dockerfile, str(context)),
        )
        self._run("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")
        self._run("rmi", reference)

    def works(self) -> bool:
        """Return whether the machine supports the driver."""
        return _succeeds(*self._command(), "images", "--quiet")

    def _has_base(self) -> bool:
        inspect = (*self._command(), "inspect", "--type=image", REFERENCE)
        return _succeeds(*inspect) or _succeeds(*self._command(), "pull", "--quiet", REFERENCE)

    def _run(self, *arguments: str) -> None:
        _run(*self._command(), *arguments)

    def _command(self) -> tuple[str, ...]:
        store = self.store / self.driver
        folders = (f"--root={store / 'root'}", f"--runroot={store / 'run'}")
        return self.program, *folders, f"--storage-driver={self.driver}"


def choose() -> Engine:
    """Return Docker if an engine responds, otherwise buildah, installed from Debian if needed.

    Raises:
        MissingError: There is neither.
    """
    docker = shutil.which("docker")
    if docker and _succeeds(docker, "info"):
        return Docker(docker)
    say("no Docker engine responds, building with buildah")
    buildah = Buildah(require_program("buildah", "buildah"), "overlay")
    return buildah if buildah.works() else replace(buildah, driver="vfs")


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailedError(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-3000:]}")
