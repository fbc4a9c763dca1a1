"""The build context: the files that the Dockerfile copies, collected on this machine."""

import hashlib
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.cache import CACHE
from tools.cluster.host import run

REPOSITORY = Path(__file__).parents[2]
PYTHON, LIBC = "3.13", "manylinux_2_40"
"""The Python and the C library of debian:trixie-slim, for which packages are downloaded."""
LEFT_OUT = (".lock", "bin", "babel/locale-data", "lxml/includes", "lxml/objectify*", "regex/tests")
"""Parts of packages that no image uses: commands, whose first line names this machine's Python, and
modules that the worker never loads."""


@dataclass(frozen=True)
class Contents:
    """The Python packages of one image.

    Attributes:
        requirements: Packages of others, pinned by hash.
        sources: Paths of our own packages or of single modules.
    """

    requirements: Path
    sources: tuple[str, ...]


_ATTEMPT = ("api/download_schedule/__init__.py", "api/download_schedule/attempt")
_CRON = tuple(
    f"api/download_schedule/cron/{module}.py"
    for module in (
        *("__init__", "advice", "english", "errors", "fields", "hashed", "included", "parser"),
        *("patterns", "schedule", "search", "zones"),
    )
)
_WORKER = Contents(
    REPOSITORY / "requirements/worker.txt", ("operator/download_worker", *_ATTEMPT, *_CRON)
)
CONTENTS = {
    "operator": Contents(
        REPOSITORY / "requirements/operator.txt",
        ("operator/download_operator", "api/download_kube", "api/download_schedule"),
    ),
    "api": Contents(
        REPOSITORY / "requirements/api.txt",
        ("api/download_api", "api/download_kube", "api/download_schedule"),
    ),
    "worker": _WORKER,
    "worker-pdf": _WORKER,
}


def fingerprint(target: str) -> str:
    """Return a digest of everything in an image and of the code that builds it."""
    digest = hashlib.sha256(platform.machine().encode())
    recipe = (REPOSITORY / "Dockerfile", *sorted(Path(__file__).parent.glob("*.py")))
    for path in (*recipe, CONTENTS[target].requirements, *_files(target)):
        digest.update(str(path.relative_to(REPOSITORY)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def prepare(target: str, folder: Path) -> None:
    """Fill *folder* with the packages of an image: wheels of its requirements and our sources.

    Raises:
        ToolError: A package could not be installed.
    """
    # uv takes seconds, pip most of a minute. Its cache is our own, because the files there have the
    # umask of the person who filled it, and everybody must be able to read them in an image.
    run(
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"),
        *("--require-hashes", "--only-binary=:all:", f"--cache-dir={CACHE / 'uv'}"),
        *(f"--python-version={PYTHON}", f"--python-platform={platform.machine()}-{LIBC}"),
        *(f"--target={folder}", f"--requirement={CONTENTS[target].requirements}"),
    )
    for pattern in LEFT_OUT:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in _files(target):
        copy = folder / path.relative_to(REPOSITORY / path.relative_to(REPOSITORY).parts[0])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _files(target: str) -> list[Path]:
    files = []
    for source in CONTENTS[target].sources:
        path = REPOSITORY / source
        files += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return files
