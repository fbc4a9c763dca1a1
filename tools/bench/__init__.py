"""The speed of operator, worker and API, each in one run with what it is held beside."""

import compileall
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [str(ROOT / folder) for folder in ("operator", "api")]


def compile_sources() -> None:
    """Compile our code, as the image has it: where Python may not keep it, each start would."""
    for sources in SOURCES:
        compileall.compile_dir(sources, quiet=1)
