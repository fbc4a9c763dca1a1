"""Build images, or take them from the cache where nothing of them has changed."""

import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.cluster.binaries import CACHE, only_one
from tools.cluster.host import say
from tools.images import build_context, engine

OPTIONAL = ("worker-pdf",)
"""Built only when asked for by name."""
TARGETS = tuple(target for target in build_context.CONTENTS if target not in OPTIONAL)
PREFIX = "download-operator"
KEPT_SECONDS = 86_400.0
"""Archives of older sources stay this long."""


def reference(target: str) -> str:
    """Name and tag of an image; the tag is the project's version."""
    project = tomllib.loads((build_context.REPOSITORY / "pyproject.toml").read_text())["project"]
    return f"{PREFIX}/{target}:{project['version']}"


def build(*targets: str) -> dict[str, Path]:
    """The archives of the images, as `docker save` writes them, by target; of `TARGETS` if none.

    Raises:
        MissingError, BuildFailedError, subprocess.CalledProcessError: With what is wrong.
    """
    folder = CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / ".lock"), _files_for_everybody():
        return {target: _build(target, folder) for target in targets or TARGETS}


@contextmanager
def _files_for_everybody() -> Iterator[None]:
    """What is put into an image is read there by nobody, whatever the umask of who builds it."""
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
        _forget_older(folder.glob(f"{target}-*.tar"))
        shutil.move(unfinished, archive)
    say(f"built {reference(target)} ({time.monotonic() - started:.0f} s)")
    return archive


def _forget_older(archives: Iterable[Path]) -> None:
    """Keep what another checkout may be about to load."""
    for archive in archives:
        if archive.stat().st_mtime < time.time() - KEPT_SECONDS:
            archive.unlink()
