"""The speed of operator, worker and API, each compared with something else in the same run."""

import compileall
from pathlib import Path

ROOT = Path(__file__).parents[2]
CRD = ROOT / "manifests" / "crd.yaml"
SOURCES = [str(ROOT / folder) for folder in ("operator", "api")]


def compile_sources() -> None:
    """Compile our code as in the images. Without a writable cache, each start would compile it."""
    for sources in SOURCES:
        compileall.compile_dir(sources, quiet=1)
