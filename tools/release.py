"""`python -m tools.release STEP [ARGUMENT]`: the steps of a release (see docs/releasing.md).

Each step can run again. `publish` and `sign` need skopeo, helm and cosign, signed in to the
registry.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools import images
from tools.cluster import binaries

REPOSITORY: Final = Path(__file__).parents[1]
CHART: Final = REPOSITORY / "charts" / "download-operator"
INSTALL: Final = REPOSITORY / "manifests" / "install.yaml"
DIST: Final = REPOSITORY / "dist"
BUILD: Final = REPOSITORY / "build"
"""What the steps hand to each other and nobody downloads."""
DIGESTS: Final = "digests.txt"
"""File in :data:`BUILD` with references, by digest, of what `publish` pushed."""


class StepError(Exception):
    """A step cannot be done; the message says what to do about it."""


def version() -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def check_tag(tag: str) -> None:
    """Fail unless *tag* is the version's, and the changelog has a section for it.

    Raises:
        StepError: they differ, or the section is missing.
    """
    if tag != f"v{version()}":
        raise StepError(f"the tag is {tag!r}, but pyproject.toml has version {version()}")
    notes()


def notes() -> str:
    """Return the section of the changelog about the version.

    Raises:
        StepError: there is none.
    """
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## \[{re.escape(version())}\][^\n]*\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    if section is None:
        raise StepError(f"CHANGELOG.md has no section [{version()}]: write one")
    return section[1].strip() + "\n"


def release_notes(_: str = "", build: Path = BUILD) -> None:
    """Write the section of the changelog to build/release-notes.md."""
    build.mkdir(exist_ok=True)
    (build / "release-notes.md").write_text(notes(), encoding="utf-8")


def chart(registry: str, dist: Path = DIST) -> None:
    """Package the chart, with images from *registry* unless that is empty."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder) / CHART.name))
        values = copy / "values.yaml"
        values.write_text(_with_registry(values.read_text(), registry))
        _run(str(_helm()), "package", str(copy), f"--destination={dist}")


def install_manifest(registry: str, dist: Path = DIST) -> None:
    """Write install.yaml, with images from *registry* unless that is empty."""
    dist.mkdir(exist_ok=True)
    (dist / INSTALL.name).write_text(_with_registry(INSTALL.read_text(), registry))


def _with_registry(text: str, registry: str) -> str:
    """Return *text* with every image, and the chart's `repository`, below *registry*."""
    if not registry:
        return text
    targets = "|".join((*images.TARGETS, *images.OPTIONAL))
    text = re.sub(
        rf"(?<=[ \"])download-operator/({targets}):", rf"{registry}/download-operator/\1:", text
    )
    repository = re.compile(r"(?<=repository: )download-operator$", re.MULTILINE)
    return repository.sub(f"{registry}/download-operator", text)


def checksums(_: str = "", dist: Path = DIST) -> None:
    """Write dist/SHA256SUMS, as `sha256sum --check` reads it."""
    files = [path for path in sorted(dist.iterdir()) if not path.name.startswith("SHA256SUMS")]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (dist / "SHA256SUMS").write_text("".join(lines))


def publish(registry: str, dist: Path = DIST, build: Path = BUILD) -> None:
    """Push the images and the chart, and remember their digests.

    Raises:
        StepError: no registry is named.
    """
    _require(registry)
    build.mkdir(exist_ok=True)
    digests = [
        _push_image(registry, target, archive, build)
        for target, archive in images.build(*images.TARGETS, *images.OPTIONAL).items()
    ]
    digests.append(_push_chart(registry, dist))
    (build / DIGESTS).write_text("".join(f"{reference}\n" for reference in digests))


def _push_image(registry: str, target: str, archive: Path, build: Path) -> str:
    reference = f"{registry}/{images.reference(target)}"
    digest_file = build / f"{target}.digest"
    _run(
        *("skopeo", "copy", f"--digestfile={digest_file}"),
        *(f"docker-archive:{archive}", f"docker://{reference}"),
    )
    return f"{reference.rpartition(':')[0]}@{digest_file.read_text().strip()}"


def _push_chart(registry: str, dist: Path) -> str:
    package = dist / f"{CHART.name}-{version()}.tgz"
    output = _run("helm", "push", str(package), f"oci://{registry}/charts")
    digest = re.search(r"sha256:[0-9a-f]{64}", output)
    if digest is None:
        raise StepError(f"helm push did not print a digest: {output}")
    return f"{registry}/charts/{CHART.name}@{digest[0]}"


def sign(registry: str, dist: Path = DIST, build: Path = BUILD) -> None:
    """Sign what `publish` pushed, and the checksums.

    Raises:
        StepError: no registry is named.
    """
    _require(registry)
    for reference in (build / DIGESTS).read_text().split():
        _run("cosign", "sign", "--yes", reference)
    sums = dist / "SHA256SUMS"
    _run("cosign", "sign-blob", "--yes", f"--bundle={sums}.bundle", str(sums))


def _require(registry: str) -> None:
    if not registry:
        raise StepError("no registry: write REGISTRY=registry.example.com/owner")


def _helm() -> Path:
    return binaries.ensure("helm")["helm"]


def _run(*command: str) -> str:
    print(" ".join(command), file=sys.stderr)
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, end="", file=sys.stderr)
    return done.stdout


STEPS: Final[dict[str, Callable[[str], None]]] = {
    "check-tag": check_tag,
    "chart": chart,
    "install-manifest": install_manifest,
    "checksums": checksums,
    "publish": publish,
    "sign": sign,
    "release-notes": release_notes,
}


def main() -> int:
    """Do one step; return the exit code."""
    match sys.argv[1:]:
        case [step, *argument] if step in STEPS and len(argument) <= 1:
            try:
                STEPS[step](*argument or [""])
            except StepError as error:
                print(error, file=sys.stderr)
                return 1
            return 0
    print(__doc__, f"\nSteps: {', '.join(STEPS)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
