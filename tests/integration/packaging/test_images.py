"""The contents of the built images, read from their archives."""

import importlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tools import images

HOME = PurePosixPath("opt/download-operator")
OWN = {
    "operator": {"download_operator", "download_kube", "download_schedule"},
    "api": {"download_api", "download_kube", "download_schedule"},
    "worker": {"download_worker", "download_schedule"},
    "worker-pdf": {"download_worker", "download_schedule"},
}
MAX_WORKER_BYTES = 130_000_000
"""Size limit of the uncompressed archive, which had 113,000,000 bytes in November 2026."""
BUILD_TOOLS = {"cc", "gcc", "g++", "make", "pip", "pip3", "uv"}


@dataclass(frozen=True)
class Image:
    target: str
    tags: list[str]
    config: dict[str, Any]
    names: set[PurePosixPath]
    scripts: dict[PurePosixPath, bytes]
    """First lines of the scripts in our folder."""


def read(target: str, path: Path) -> Image:
    names: set[PurePosixPath] = set()
    scripts: dict[PurePosixPath, bytes] = {}
    with tarfile.open(path) as archive:
        (manifest,) = json.loads(content(archive, "manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                for member, first_line in members(files):
                    names.add(member)
                    if first_line.startswith(b"#!"):
                        scripts[member] = first_line
        config = json.loads(content(archive, manifest["Config"]))["config"]
    return Image(target, manifest["RepoTags"], config, names, scripts)


def content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def members(files: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, bytes]]:
    for member in files:
        path = PurePosixPath(member.name.removeprefix("./"))
        file = files.extractfile(member) if member.isreg() and path.is_relative_to(HOME) else None
        yield path, file.readline(200) if file else b""


@pytest.fixture(scope="module", params=[*images.TARGETS, *images.OPTIONAL])
def image(request: pytest.FixtureRequest) -> Image:
    return read(request.param, images.build(request.param)[request.param])


def test_image_runs_one_process_as_nobody(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    process = f"download_{image.target.partition('-')[0]}"
    assert image.config["Entrypoint"] == ["python3", "-m", process]
    assert any(tag.endswith(images.reference(image.target)) for tag in image.tags)


def test_image_has_its_own_packages_only(image: Image) -> None:
    top = {name.relative_to(HOME).parts[:1] for name in image.names if name.is_relative_to(HOME)}
    ours = {part for parts in top for part in parts if part.startswith("download_")}
    assert ours == OWN[image.target]


def test_worker_has_only_the_contract_with_an_attempt_and_cron_of_the_resource() -> None:
    worker = read("worker", images.build("worker")["worker"])
    folder = HOME / "download_schedule"
    modules = {n for n in worker.names if n.is_relative_to(folder) and n.suffix == ".py"}
    assert folder / "attempt" / "result.py" in modules
    assert {n.parent for n in modules} == {folder, folder / "attempt", folder / "cron"}
    assert [n.name for n in modules if n.parent == folder] == ["__init__.py"]
    assert folder / "cron" / "croniter_comparison.py" not in modules


@pytest.mark.parametrize("image", images.OPTIONAL, indirect=True)
def test_browser_image_has_fonts_and_no_compiler_for_graphics_cards(image: Image) -> None:
    names = {name.name for name in image.names}
    assert {"chromium-headless-shell", "DejaVuSans.ttf", "wqy-microhei.ttc"} <= names
    noto = {name for name in names if name.startswith("Noto")}
    assert {"NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf"} <= noto
    assert len(noto) == 15
    assert not [name for name in names if name.startswith("libLLVM")]


def test_worker_has_no_other_program() -> None:
    path = images.build("worker")["worker"]
    worker = read("worker", path)
    assert {n.name for n in worker.names if n.parent.name in ("bin", "sbin")} == {"python3"}
    folders = {name.parts[0] for name in worker.names if name.parts}
    assert folders <= {"etc", "lib", "lib64", "opt", "tmp", "usr"}
    assert path.stat().st_size < MAX_WORKER_BYTES


def test_all_modules_are_compiled(image: Image) -> None:
    compiled = {n.parent.parent / n.name.split(".")[0] for n in image.names if n.suffix == ".pyc"}
    sources = {n.with_suffix("") for n in image.names if n.suffix == ".py" and HOME in n.parents}
    assert sources
    assert sources <= compiled


def test_image_has_no_build_tools(image: Image) -> None:
    programs = {name.name for name in image.names if name.parent.name in ("bin", "sbin")}
    assert "python3" in programs
    assert not programs & BUILD_TOOLS
    assert PurePosixPath("usr/lib/python3.13/http/server.py") in image.names


def test_scripts_do_not_need_the_python_of_the_machine_that_built_the_image(image: Image) -> None:
    interpreters = {line.split()[0].removeprefix(b"#!") for line in image.scripts.values()}
    assert interpreters <= {b"/usr/bin/env", b"/usr/bin/python3", b"/usr/bin/python"}


def test_files_are_readable_in_spite_of_the_umask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.import_module("tools.images.build"), "CACHE", tmp_path)
    before = os.umask(0o077)
    try:
        path = images.build("worker")["worker"]
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert unreadable(path) == []


def unreadable(path: Path) -> list[str]:
    names = []
    with tarfile.open(path) as archive:
        (manifest,) = json.loads(content(archive, "manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                for member in files:
                    needed = 0o005 if member.isdir() else 0o004
                    if not member.issym() and member.mode & needed != needed:
                        names.append(member.name)
    return names
