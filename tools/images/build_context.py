"""The build context: what the Dockerfile copies, put together on this machine."""

import hashlib
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PYTHON = "3.13"
"""Of debian:trixie-slim, for which the packages have to be made."""
LEFT_OUT = ("bin", "babel/locale-data", "lxml/includes", "lxml/objectify*", "regex/tests")
"""Of the packages, what no image uses: commands, which would start with this machine's Python, and
what the worker never loads."""


@dataclass(frozen=True)
class Contents:
    """What goes into one image.

    Attributes:
        requirements: Hash-pinned packages.
        sources: Paths of the project's own packages, or of single modules of them.
    """

    requirements: Path
    sources: tuple[str, ...]


_RESULT = ("api/download_schedule/__init__.py", "api/download_schedule/attempt")
_WORKER = Contents(REPOSITORY / "requirements/worker.txt", ("operator/download_worker", *_RESULT))
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
    """A digest of everything that an image is made of, and of how it is made."""
    digest = hashlib.sha256(platform.machine().encode())
    made_by = (REPOSITORY / "Dockerfile", *sorted(Path(__file__).parent.glob("*.py")))
    for path in (*made_by, CONTENTS[target].requirements, *_files(target)):
        digest.update(str(path.relative_to(REPOSITORY)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def prepare(target: str, folder: Path) -> None:
    """Fill `folder` with the target's packages: its requirements' wheels, and our own sources.

    Raises:
        subprocess.CalledProcessError: A package could not be had.
    """
    machine = platform.machine()
    platforms = [f"--platform=manylinux_2_{glibc}_{machine}" for glibc in (41, 34, 28, 17)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--only-binary=:all:", "--no-compile"),
            *("--implementation=cp", f"--python-version={PYTHON}", *platforms),
            f"--platform=manylinux2014_{machine}",
            f"--target={folder}",
            f"--requirement={CONTENTS[target].requirements}",
        ],
        check=True,
    )
    for path in (found for pattern in LEFT_OUT for found in folder.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in _files(target):
        copy = folder / path.relative_to(REPOSITORY / path.relative_to(REPOSITORY).parts[0])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _files(target: str) -> list[Path]:
    found = []
    for source in CONTENTS[target].sources:
        path = REPOSITORY / source
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return found
