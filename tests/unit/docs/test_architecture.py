"""Modules and folders that the documents name exist."""

import re
from pathlib import Path

import pytest

from tests.support.documents import DOCS, REPOSITORY, documents, name_of

SOURCES = [
    f"/{path.relative_to(REPOSITORY)}{'/' if path.is_dir() else ''}"
    for folder in ("api", "operator", "tools", "tests")
    for path in (REPOSITORY / folder).rglob("*")
]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_modules_exist(document: Path) -> None:
    for module in re.findall(r"[\w/]+\.py\b", document.read_text(encoding="utf-8")):
        assert any(path.endswith(f"/{module}") for path in SOURCES), module


def test_folders_of_the_architecture_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    folders = re.findall(r"`(\w+/)`", text)
    assert len(folders) >= 15
    for folder in folders:
        assert any(path.endswith(f"/{folder}") for path in SOURCES), folder


def test_the_architecture_names_every_folder_of_a_process() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for package in ("api/download_api", "operator/download_operator", "operator/download_worker"):
        for folder in (REPOSITORY / package).iterdir():
            if (folder / "__init__.py").exists():
                assert f"`{folder.name}/`" in text, f"{package}/{folder.name}"
