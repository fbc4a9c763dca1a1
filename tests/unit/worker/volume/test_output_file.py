"""The file of an attempt: all or nothing under its name."""

import errno
import hashlib
import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from download_worker.errors import DownloadError, Reason
from download_worker.http.validators import RemoteVersion
from download_worker.volume.checksum_log import SUFFIX
from download_worker.volume.output_file import OutputFile
from download_worker.volume.partial_files import PartialFiles
from download_worker.volume.safe_paths import MAX_PART_BYTES

BODY = b"0123456789" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()
VERSION = RemoteVersion("https://example.com/x", '"v1"', len(BODY))


def create(root: Path, path: str, version: RemoteVersion | None = None, **more: Any) -> OutputFile:
    root.mkdir(exist_ok=True)
    return OutputFile(PartialFiles(root, "parts", "job").create(), root, path, version, **more)


def write(root: Path, path: str) -> None:
    file = create(root, path)
    file.write(b"new")
    file.commit("")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def partial_files(root: Path) -> list[str]:
    return names(root / "parts")


def refuse_sync(_file: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_name_appears_with_the_commit(tmp_path: Path) -> None:
    file = create(tmp_path, "a/b/c.txt")
    file.write(b"hel")
    file.write(b"lo")
    assert names(tmp_path / "a/b") == []
    (partial,) = partial_files(tmp_path)
    assert partial.startswith(".job.")
    assert partial.endswith(".part")

    assert file.commit("") == "a/b/c.txt"
    file.discard()

    assert names(tmp_path / "a/b") == ["c.txt"]
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"hello"
    assert partial_files(tmp_path) == []


def test_discarding_leaves_an_earlier_file_alone(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier")
    file = create(tmp_path, "c.txt")
    file.write(b"later")

    file.discard()
    file.discard()

    assert names(tmp_path) == ["c.txt", "parts"]
    assert partial_files(tmp_path) == []
    assert (tmp_path / "c.txt").read_bytes() == b"earlier"


def test_commit_replaces_an_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"earlier and longer")
    write(tmp_path, "c.txt")
    assert (tmp_path / "c.txt").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["", "../a", "x" * (MAX_PART_BYTES + 1)])
def test_refused_path_leaves_no_partial_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError) as caught:
        create(tmp_path, path)
    assert caught.value.reason is Reason.INVALID_PATH
    assert names(tmp_path) == ["parts"]
    assert partial_files(tmp_path) == []


def test_longest_name_that_file_systems_allow_is_written(tmp_path: Path) -> None:
    write(tmp_path, "x" * MAX_PART_BYTES)
    assert "x" * MAX_PART_BYTES in names(tmp_path)


def test_symbolic_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.write_bytes(b"untouched")
    root.mkdir()
    (root / "c.txt").symlink_to(outside)

    write(root, "c.txt")

    assert outside.read_bytes() == b"untouched"
    assert not (root / "c.txt").is_symlink()


def test_folder_in_place_of_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "c.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        create(tmp_path, "c.txt")
    assert names(tmp_path) == ["c.txt", "parts"]
    assert partial_files(tmp_path) == []


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(names(Path("/proc/self/fd")))
    write(tmp_path, "a/b/c.txt")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        create(tmp_path, "file/c.txt")
    with pytest.raises(OSError, match="File name too long"):
        PartialFiles(tmp_path, "parts", "x" * MAX_PART_BYTES).create()
    assert len(names(Path("/proc/self/fd"))) == before


def test_bytes_are_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = create(tmp_path, "c.txt")
    calls: list[str] = []
    for name in ("fsync", "rename"):
        original = getattr(os, name)

        def record(*args: int, original: Any = original, name: str = name, **options: int) -> None:
            calls.append(name)
            original(*args, **options)

        monkeypatch.setattr(os, name, record)

    file.write(b"new")
    file.commit("")

    assert calls == ["fsync", "rename", "fsync"]


def test_existing_file_is_never_taken_for_a_new_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "parts").mkdir(parents=True)
    (tmp_path / "parts/.job.0000000000000000.part").hardlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        create(tmp_path, "c.txt")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_short_write_is_an_error(tmp_path: Path) -> None:
    file = create(tmp_path, "c.txt")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.write(b"x" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.discard()
    assert partial_files(tmp_path) == []


def test_attempts_at_the_same_moment_create_the_same_folders(tmp_path: Path) -> None:
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


def test_path_is_checked_again_just_before_the_commit(tmp_path: Path) -> None:
    class GuardedFile(OutputFile):
        def check_path(self) -> None:
            raise DownloadError(Reason.UNSAFE_PATH, "taken")

    file = GuardedFile(PartialFiles(tmp_path, "parts", "job").create(), tmp_path, "c.txt")
    with pytest.raises(DownloadError, match="taken"):
        file.commit("")
    file.discard()
    assert names(tmp_path) == ["parts"]
    assert partial_files(tmp_path) == []


def test_checkpoint_syncs_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original = os.fsync

    def fsync(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        original(file)

    monkeypatch.setattr(os, "fsync", fsync)

    seldom = create(tmp_path, "x", VERSION, log_bytes=1, sync_seconds=60)
    seldom.write(BODY)
    seldom.checkpoint(SHA256)
    (partial, log) = partial_files(tmp_path)
    assert partial not in synced
    seldom.discard()

    often = create(tmp_path, "x", VERSION, log_bytes=1, sync_seconds=0)
    often.write(BODY)
    often.checkpoint(SHA256)
    (partial, log) = partial_files(tmp_path)
    assert log == partial + SUFFIX
    assert synced[-3:] == [partial, log, "parts"]
    often.discard()


def test_file_whose_sync_failed_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports lost bytes once, and then shows them as if they were there."""
    file = create(tmp_path, "x", VERSION)
    file.write(BODY)
    file.checkpoint(SHA256)
    monkeypatch.setattr(os, "fsync", refuse_sync)

    with pytest.raises(OSError, match="Input/output"):
        file.commit("")
    file.suspend()

    assert partial_files(tmp_path) == []


def test_suspending_without_a_version_leaves_nothing(tmp_path: Path) -> None:
    file = create(tmp_path, "x")
    file.write(BODY)
    file.checkpoint(SHA256)
    assert len(partial_files(tmp_path)) == 1
    file.suspend()
    assert partial_files(tmp_path) == []


def test_suspending_an_empty_file_leaves_nothing(tmp_path: Path) -> None:
    file = create(tmp_path, "x", VERSION)
    file.checkpoint(hashlib.sha256().hexdigest())
    file.suspend()
    assert partial_files(tmp_path) == []


def test_suspended_file_stays_with_its_log(tmp_path: Path) -> None:
    file = create(tmp_path, "x", VERSION)
    file.write(BODY[:500])
    file.checkpoint(hashlib.sha256(BODY[:500]).hexdigest())
    file.suspend()
    (partial, log) = partial_files(tmp_path)
    assert log == partial + SUFFIX
    assert (tmp_path / "parts" / partial).read_bytes() == BODY[:500]
