"""The project's Markdown: which files there are, and what is in them."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
FOLDERS = ("docs", "charts", ".github")
_FENCE = re.compile(r"^```([a-z]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    nested = (path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.md"))
    return sorted([*REPOSITORY.glob("*.md"), *nested])


def name_of(document: Path) -> str:
    """The path of a document in the repository."""
    return str(document.relative_to(REPOSITORY))


def blocks(document: Path, language: str) -> list[str]:
    """The code blocks of one language; the empty language is that of blocks without one."""
    text = document.read_text(encoding="utf-8")
    return [block for name, block in _FENCE.findall(text) if name == language]


def prose(document: Path) -> str:
    """The text of a document without its code blocks."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def run_shell(
    script: str, environment: Mapping[str, str] | None = None, folder: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run a shell block as a reader would, in the project's virtual environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": path, **(environment or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
