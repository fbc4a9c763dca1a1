"""The steps of a release, with stand-ins for the programs that talk to a registry."""

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tools import images, release
from tools.generate.manifests import REPOSITORY

REGISTRY = "registry.example.com/owner"
DIGEST = f"sha256:{'ab' * 32}"
STUB = f"""#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
for argument; do
  case $argument in --digestfile=*) echo {DIGEST} > "${{argument#--digestfile=}}";; esac
done
echo Digest: {DIGEST}
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put skopeo, helm and cosign on PATH; return the file that lists how they are called."""
    for name in ("skopeo", "helm", "cosign"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(STUB)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_tag_has_to_be_the_version() -> None:
    release.check_tag(f"v{release.version()}")

    with pytest.raises(release.StepError, match=r"the tag is 'v9\.9\.9'"):
        release.check_tag("v9.9.9")


def test_notes_are_the_section_of_the_version() -> None:
    text = release.notes()

    assert text.startswith(("First version.", "### "))
    assert "\n## " not in text


def test_chart_takes_its_images_from_the_registry(tmp_path: Path) -> None:
    release.chart(REGISTRY, tmp_path)

    with tarfile.open(tmp_path / f"download-operator-{release.version()}.tgz") as package:
        member = package.extractfile("download-operator/values.yaml")
        assert member
        values = yaml.safe_load(member.read())
    assert values["image"]["repository"] == f"{REGISTRY}/download-operator"


def test_manifest_takes_its_images_from_the_registry(tmp_path: Path) -> None:
    release.install_manifest(REGISTRY, tmp_path)

    text = (tmp_path / "install.yaml").read_text()
    for target in images.TARGETS:
        assert f": {REGISTRY}/{images.reference(target)}\n" in text
        assert f": {images.reference(target)}" not in text


def test_manifest_without_a_registry_stays_as_it_is(tmp_path: Path) -> None:
    release.install_manifest("", tmp_path)

    assert (tmp_path / "install.yaml").read_text() == release.INSTALL.read_text()


def test_checksums_can_be_checked_and_leave_themselves_out(tmp_path: Path) -> None:
    (tmp_path / "chart.tgz").write_bytes(b"chart")

    for _ in range(2):
        release.checksums("", tmp_path)

    expected = f"{hashlib.sha256(b'chart').hexdigest()}  chart.tgz\n"
    assert (tmp_path / "SHA256SUMS").read_text() == expected
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_what_was_pushed_is_signed_by_digest(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*targets: str) -> dict[str, Path]:
        return {target: tmp_path / f"{target}.tar" for target in targets}

    monkeypatch.setattr(images, "build", build)

    release.publish(REGISTRY, tmp_path, tmp_path / "build")
    release.sign(REGISTRY, tmp_path, tmp_path / "build")

    text = calls.read_text()
    for target in (*images.TARGETS, *images.OPTIONAL):
        assert f"docker://{REGISTRY}/{images.reference(target)}" in text
        assert f"cosign sign --yes {REGISTRY}/download-operator/{target}@{DIGEST}\n" in text
    assert f"cosign sign --yes {REGISTRY}/charts/download-operator@{DIGEST}\n" in text
    assert "cosign sign-blob --yes" in text


@pytest.mark.parametrize("step", [release.publish, release.sign])
def test_registry_is_required(step: object) -> None:
    assert callable(step)
    with pytest.raises(release.StepError, match="write REGISTRY="):
        step("")


def test_every_step_is_a_target_of_make() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for step in release.STEPS:
        assert f"\n{step}: $(STAMP) ## " in makefile
        assert f"tools.release {step}" in makefile


def test_unknown_step_prints_the_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.release", "nothing"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Steps: check-tag, chart" in done.stderr
