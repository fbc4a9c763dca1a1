"""Files: all or nothing under the final name, and never outside the root."""

import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.volume.output_file import File
from download_worker.volume.partial_files import Parts
from download_worker.volume.safe_paths import MAX_PART


def test_the_name_appears_with_the_commit(tmp_path: Path) -> None:
    file = new(tmp_path, "a/b/c.txt")
    file.write(b"hel")
    file.write(b"lo")
    assert names(tmp_path / "a/b") == []
    (temporary,) = (tmp_path / "parts").iterdir()
    assert temporary.name.startswith(".job.")
    assert temporary.name.endswith(".part")
    file.commit("")
    file.abandon(resumable=False)
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.txt"]
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"hello"


def test_abandoning_leaves_an_earlier_file_alone(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier")
    file = new(tmp_path, "c.txt")
    file.write(b"later")
    file.abandon(resumable=False)
    file.abandon(resumable=False)
    assert names(tmp_path) == ["c.txt", "parts"]
    assert names(tmp_path / "parts") == []
    assert (tmp_path / "c.txt").read_bytes() == b"earlier"


def test_committing_replaces_an_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier and longer")
    write(tmp_path, "c.txt")
    assert (tmp_path / "c.txt").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\0b"])
def test_a_path_that_is_none_below_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError) as caught:
        new(tmp_path, path)
    assert caught.value.reason is Reason.INVALID_PATH
    assert names(tmp_path) == ["parts"]
    assert names(tmp_path / "parts") == []


def test_a_part_may_be_as_long_as_a_file_system_takes(tmp_path: Path) -> None:
    write(tmp_path, "x" * MAX_PART)
    with pytest.raises(DownloadError, match="longer than 255 bytes"):
        new(tmp_path, "ü" * (MAX_PART // 2 + 1))


@pytest.mark.parametrize("path", ["link/c.txt", "real/link/c.txt"])
def test_a_symbolic_link_does_not_lead_out(tmp_path: Path, path: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / "real").mkdir(parents=True)
    for link in (root / "link", root / "real/link"):
        link.symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        new(root, path)
    assert names(outside) == []


def test_a_symbolic_link_in_place_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.write_bytes(b"untouched")
    root.mkdir()
    (root / "c.txt").symlink_to(outside)
    write(root, "c.txt")
    assert outside.read_bytes() == b"untouched"
    assert not (root / "c.txt").is_symlink()


def test_a_folder_in_place_of_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "c.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        new(tmp_path, "c.txt")
    assert names(tmp_path) == ["c.txt", "parts"]
    assert names(tmp_path / "parts") == []


def test_no_file_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(names(Path("/proc/self/fd")))
    write(tmp_path, "a/b/c.txt")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        new(tmp_path, "file/c.txt")
    with pytest.raises(OSError, match="File name too long"):
        Parts(tmp_path, "parts", "x" * MAX_PART).new()
    assert len(names(Path("/proc/self/fd"))) == before


def test_the_bytes_are_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = new(tmp_path, "c.txt")
    calls: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def noted(*args: int, real: Any = real, name: str = name, **options: int) -> None:
            calls.append(name)
            real(*args, **options)

        monkeypatch.setattr(os, name, noted)
    file.write(b"new")
    file.commit("")
    assert calls == ["fsync", "rename", "fsync"]


def test_a_file_that_stands_where_the_temporary_one_would_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/.job.0000000000000000.part").hardlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        new(tmp_path, "c.txt")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_write_that_is_taken_in_part_is_not_taken_for_whole(tmp_path: Path) -> None:
    file = new(tmp_path, "c.txt")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.write(b"x" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.abandon(resumable=False)
    assert names(tmp_path / "parts") == []


def test_attempts_at_the_same_moment_make_the_same_folders(tmp_path: Path) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(8)

    def attempt(number: int) -> None:
        barrier.wait()
        try:
            write(tmp_path, f"{'/'.join('abcdefgh')}/{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert names(tmp_path / "a/b/c/d/e/f/g/h") == list("01234567")


def new(root: Path, path: str) -> File:
    root.mkdir(exist_ok=True)
    return File(Parts(root, "parts", "job").new(), root, path)


def write(root: Path, path: str) -> None:
    file = new(root, path)
    file.write(b"new")
    file.commit("")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
