"""Files on mounted claims: found, and never outside of their folder."""

import asyncio
import os
from pathlib import Path

import pytest

from download_api.content.location import FileLocation
from download_api.content.volumes import MountedVolumes, open_beneath, read_chunks
from download_api.problems.problem import ProblemError
from download_api.settings import MountedClaim


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume with symbolic links that lead out of it."""
    (tmp_path / "secret").write_text("secret")
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "a" / "file").write_text("file")
    (volume / "out").symlink_to("../secret")
    (volume / "a" / "up").symlink_to("../..")
    (volume / "a" / "top").symlink_to("/")
    (volume / "same").symlink_to("a/file")
    return volume


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_file_in_a_subfolder_is_opened(folder: Path) -> None:
    before = count_descriptors()
    file = open_beneath(folder, "a/file")
    assert os.read(file, 9) == b"file"
    os.close(file)
    assert count_descriptors() == before


@pytest.mark.parametrize("path", ["out", "same", "a/up/secret", "a/top/etc/passwd", "no", "a/no/x"])
def test_symbolic_links_are_not_followed(folder: Path, path: str) -> None:
    before = count_descriptors()
    with pytest.raises(OSError, match="Errno"):
        open_beneath(folder, path)
    assert count_descriptors() == before


@pytest.mark.parametrize("name", ["absent", "x" * 300], ids=["absent", "too long"])
def test_folder_that_cannot_be_read_is_not_mounted(tmp_path: Path, name: str) -> None:
    """A folder whose file server is gone fails in the same way as a name that is too long."""
    volumes = MountedVolumes([MountedClaim("team", "data", tmp_path / name)])

    async def open_file() -> None:
        async with volumes.open("team", FileLocation("volume", "data", "a"), 1):
            pass

    with pytest.raises(ProblemError, match="it is not mounted") as refusal:
        asyncio.run(open_file())
    assert refusal.value.status == 503


def test_file_that_shrinks_while_it_is_sent_is_an_error(folder: Path) -> None:
    async def read() -> None:
        file = open_beneath(folder, "a/file")
        try:
            async for _ in read_chunks(file, range(5)):
                pass
        finally:
            os.close(file)

    with pytest.raises(OSError, match="truncated"):
        asyncio.run(read())
