"""Files: all or nothing under the final name, and never outside the root."""

import os
import resource
import secrets
import threading
from pathlib import Path
from typing import Any

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.store import MAX_PART, File, Nowhere


def test_the_name_appears_with_the_commit(tmp_path: Path) -> None:
    file = File(tmp_path, "a/b/c.txt", "job")
    file.write(b"hel")
    file.write(b"lo")
    (temporary,) = (tmp_path / "a/b").iterdir()
    assert temporary.name.startswith(".job.")
    assert temporary.name.endswith(".part")
    file.commit()
    file.abandon()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.txt"]
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"hello"


def test_abandoning_leaves_an_earlier_file_alone(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier")
    file = File(tmp_path, "c.txt", "job")
    file.write(b"later")
    file.abandon()
    file.abandon()
    assert names(tmp_path) == ["c.txt"]
    assert (tmp_path / "c.txt").read_bytes() == b"earlier"


def test_committing_replaces_an_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier and longer")
    write(tmp_path, "c.txt")
    assert (tmp_path / "c.txt").read_bytes() == b"new"


def test_a_killed_attempts_leftover_goes_and_other_jobs_files_stay(tmp_path: Path) -> None:
    File(tmp_path, "c.txt", "job")  # never committed nor abandoned, as after SIGKILL
    other = File(tmp_path, "c.txt", "job.0123456789abcdef")
    (tmp_path / ".job.part").touch()
    write(tmp_path, "c.txt")
    other.commit()
    assert names(tmp_path) == [".job.part", "c.txt"]


def test_an_overtaken_attempt_fails_and_does_not_publish_the_other_ones_bytes(
    tmp_path: Path,
) -> None:
    lost = File(tmp_path, "c.txt", "job")
    lost.write(b"complete")
    later = File(tmp_path, "c.txt", "job")
    later.write(b"half of ")
    with pytest.raises(FileNotFoundError):
        lost.commit()
    lost.abandon()
    assert not (tmp_path / "c.txt").exists()
    later.write(b"it")
    later.commit()
    assert (tmp_path / "c.txt").read_bytes() == b"half of it"


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\0b"])
def test_a_path_that_is_none_below_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError) as caught:
        File(tmp_path / "root", path, "job")
    assert caught.value.reason is Reason.INVALID_PATH
    assert names(tmp_path) == []


def test_a_part_may_be_as_long_as_a_file_system_takes(tmp_path: Path) -> None:
    write(tmp_path, "x" * MAX_PART)
    with pytest.raises(DownloadError, match="longer than 255 bytes"):
        File(tmp_path, "ü" * (MAX_PART // 2 + 1), "job")


@pytest.mark.parametrize("path", ["link/c.txt", "real/link/c.txt"])
def test_a_symbolic_link_does_not_lead_out(tmp_path: Path, path: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / "real").mkdir(parents=True)
    for link in (root / "link", root / "real/link"):
        link.symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        File(root, path, "job")
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
    file = File(tmp_path, "c.txt", "job")
    with pytest.raises(IsADirectoryError):
        file.commit()
    file.abandon()
    assert names(tmp_path) == ["c.txt"]


def test_no_file_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(names(Path("/proc/self/fd")))
    write(tmp_path, "a/b/c.txt")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        File(tmp_path, "file/c.txt", "job")
    with pytest.raises(OSError, match="File name too long"):
        File(tmp_path, "c.txt", "x" * MAX_PART)
    assert len(names(Path("/proc/self/fd"))) == before


def test_the_bytes_are_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def noted(*args: int, real: Any = real, name: str = name, **options: int) -> None:
            calls.append(name)
            real(*args, **options)

        monkeypatch.setattr(os, name, noted)
    write(tmp_path, "c.txt")
    assert calls == ["fsync", "rename", "fsync"]


def test_a_file_that_stands_where_the_temporary_one_would_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".job.guessed.part").hardlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        File(tmp_path, "c.txt", "job")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_write_that_is_taken_in_part_is_not_taken_for_whole(tmp_path: Path) -> None:
    file = File(tmp_path, "c.txt", "job")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.write(b"x" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.abandon()
    assert names(tmp_path) == []


def test_attempts_at_the_same_moment_make_the_same_folders(tmp_path: Path) -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(8)

    def attempt(number: int) -> None:
        barrier.wait()
        try:
            write(tmp_path, f"{'/'.join('abcdefgh')}/{number}", f"job{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert names(tmp_path / "a/b/c/d/e/f/g/h") == list("01234567")


def test_nowhere_takes_everything() -> None:
    nowhere = Nowhere()
    nowhere.write(b"x")
    nowhere.commit()
    nowhere.abandon()


def write(root: Path, path: str, owner: str = "job") -> None:
    file = File(root, path, owner)
    file.write(b"new")
    file.commit()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
