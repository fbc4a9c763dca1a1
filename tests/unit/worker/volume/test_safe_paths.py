"""Files below the root of a volume: never outside of it, whole or not at all."""

import fcntl
import mmap
import os
import random
import threading
import time
from pathlib import Path

import pytest

from download_worker.errors import DownloadError, Reason, StoppedError
from download_worker.volume.safe_paths import (
    MAX_PART_BYTES,
    folder_lock,
    parent_folder,
    remove,
    replace_file,
    write_past_cache,
)
from download_worker.writer import BLOCK_BYTES

BODY = random.Random(1).randbytes(BLOCK_BYTES + 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\0b"])
def test_path_that_does_not_name_a_file_below_the_root_is_refused(
    tmp_path: Path, path: str
) -> None:
    with pytest.raises(DownloadError) as caught, parent_folder(tmp_path, path):
        pass
    assert caught.value.reason is Reason.INVALID_PATH
    assert names(tmp_path) == []


def test_part_of_a_path_may_be_as_long_as_file_systems_allow(tmp_path: Path) -> None:
    with parent_folder(tmp_path, "x" * MAX_PART_BYTES) as (_, name):
        assert len(name) == MAX_PART_BYTES
    with (
        pytest.raises(DownloadError, match="longer than 255 bytes"),
        parent_folder(tmp_path, "ü" * (MAX_PART_BYTES // 2 + 1)),
    ):
        pass


@pytest.mark.parametrize("path", ["link/c.txt", "real/link/c.txt"])
def test_symbolic_link_does_not_lead_out(tmp_path: Path, path: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / "real").mkdir(parents=True)
    for link in (root / "link", root / "real/link"):
        link.symlink_to(outside)

    with pytest.raises(NotADirectoryError):
        replace_file(root, path, b"x")
    assert names(outside) == []


def test_missing_folder_is_created_unless_it_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), parent_folder(tmp_path, "a/x", create=False):
        pass
    with parent_folder(tmp_path, "a/x"):
        pass
    assert names(tmp_path) == ["a"]


def test_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    replace_file(tmp_path, "a/x", b"one")
    (tmp_path / "a/.x.new").write_bytes(b"of a process that was killed")
    replace_file(tmp_path, "a/x", b"two")
    assert (tmp_path / "a/x").read_bytes() == b"two"
    assert names(tmp_path / "a") == ["x"]


def test_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, "x", b"two")
    assert names(tmp_path) == ["x"]


def test_removing_a_missing_file_is_no_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        remove(folder, "missing")
    finally:
        os.close(folder)


def test_folder_lock_keeps_others_out(tmp_path: Path) -> None:
    entered = threading.Event()

    def enter() -> None:
        with folder_lock(tmp_path, "a/x"):
            entered.set()

    other = threading.Thread(target=enter)
    with folder_lock(tmp_path, "a/y"):
        other.start()
        assert not entered.wait(0.2)
    assert entered.wait(30)
    other.join()


def test_lock_of_another_process_is_waited_for_with_a_bound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with folder_lock(tmp_path, "a/x"):
        began = time.monotonic()
        with folder_lock(tmp_path, "a/y", seconds=0.3):
            assert 0.3 <= time.monotonic() - began < 5
    assert "another process keeps the manifests locked" in caplog.text


def test_stop_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        folder_lock(tmp_path, "a/x"),
        pytest.raises(StoppedError),
        folder_lock(tmp_path, "a/y", lambda: time.monotonic() > began + 0.1),
    ):
        pytest.fail("the lock is held")
    assert time.monotonic() - began < 5


def test_free_lock_is_taken_after_a_stop(tmp_path: Path) -> None:
    with folder_lock(tmp_path, "a/x", lambda: True):
        pass


@pytest.mark.parametrize("length", [1000, 4096, BLOCK_BYTES])
@pytest.mark.parametrize("aligned", [True, False])
def test_data_that_cannot_go_past_the_cache_is_written_anyway(
    tmp_path: Path, length: int, aligned: bool
) -> None:
    memory = mmap.mmap(-1, length + 1)
    memory.write(BODY[: length + 1])
    data = memoryview(memory)[0 if aligned else 1 :][:length]
    with (tmp_path / "x").open("wb", buffering=0) as file:
        write_past_cache(file.fileno(), data)
        assert not fcntl.fcntl(file, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0)
    assert (tmp_path / "x").read_bytes() == bytes(data)
