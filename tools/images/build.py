"""Build images, or take them from the cache if nothing in them has changed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.cache import CACHE, only_one
from tools.cluster.host import say
from tools.images import build_context, engine
from tools.images.engine import BuildFailedError

OPTIONAL = ("worker-pdf",)
"""Images that are built only if they are named."""
TARGETS = tuple(target for target in build_context.CONTENTS if target not in OPTIONAL)
PREFIX = "download-operator"
KEPT_SECONDS = 86_400.0
"""How long archives of older sources stay."""


def reference(target: str) -> str:
    """Return name and tag of an image. The tag is the project's version."""
    project = tomllib.loads((build_context.REPOSITORY / "pyproject.toml").read_text())["project"]
    return f"{PREFIX}/{target}:{project['version']}"


def build(*targets: str) -> dict[str, Path]:
    """Build images, those of `TARGETS` by default, and return the archive of each.

    The archives have the format of `docker save`.

    Raises:
        ToolError: An image could not be built.
    """
    folder = CACHE / "images"
    with only_one(folder / ".lock"), _readable_by_everybody():
        return {target: _build(target, folder) for target in targets or TARGETS}


@contextmanager
def building(*targets: str) -> Iterator[None]:
    """Build images in a process of its own while the block runs.

    Raises:
        BuildFailedError: An image could not be built; that process has printed why.
    """
    command = [sys.executable, "-m", "tools.images", *targets]
    process = subprocess.Popen(command, cwd=build_context.REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        yield
        if process.wait():
            raise BuildFailedError("the images could not be built; the reason is above")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _readable_by_everybody() -> Iterator[None]:
    """Override the umask of the person who builds: in an image, nobody's user reads the files."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _build(target: str, folder: Path) -> Path:
    archive = folder / f"{target}-{build_context.fingerprint(target)}.tar"
    if archive.exists():
        return archive
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        say(f"building the image {reference(target)}")
        prepared = Path(scratch) / "context"
        for name in build_context.CONTENTS:
            (prepared / name).mkdir(parents=True)
        build_context.prepare(target, prepared / target)
        unfinished = Path(scratch) / "image.tar"
        engine.choose().build(target, reference(target), prepared, unfinished)
        _remove_old(folder.glob(f"{target}-*.tar"))
        shutil.move(unfinished, archive)
    say(f"built {reference(target)} ({time.monotonic() - started:.0f} s)")
    return archive


def _remove_old(archives: Iterable[Path]) -> None:
    """Remove old archives, but none that another checkout may be about to load."""
    for archive in archives:
        if archive.stat().st_mtime < time.time() - KEPT_SECONDS:
            archive.unlink()
