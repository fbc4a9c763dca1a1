"""The checksum log: what it says, and what it says after a crash."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from download_worker.http.validators import RemoteVersion
from download_worker.volume.checksum_log import MAX_LINE_BYTES, SUFFIX, ChecksumLog

NAME = ".job.0123456789abcdef.part"
VERSION = RemoteVersion("https://example.com/x", '"v1"', 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def reopen(folder: int) -> list[tuple[int, str]] | None:
    log = ChecksumLog.open(folder, NAME)
    if log is None:
        return None
    assert log.version == VERSION
    prefixes = list(log.prefixes())
    log.close()
    return prefixes


def write(folder: int, *prefixes: tuple[int, str]) -> None:
    log = ChecksumLog.create(folder, NAME, VERSION)
    for prefix in prefixes:
        log.append(*prefix)
    log.sync()
    log.close()


def test_log_is_read_back(folder: int) -> None:
    write(folder, (10, "a"), (20, "b"))
    assert reopen(folder) == [(10, "a"), (20, "b")]


def test_missing_log_is_none(folder: int) -> None:
    assert reopen(folder) is None


@pytest.mark.parametrize("cut", [1, 5])
def test_line_cut_short_by_a_crash_does_not_count(folder: int, tmp_path: Path, cut: int) -> None:
    write(folder, (10, "a"), (20, "b"))
    path = tmp_path / (NAME + SUFFIX)
    os.truncate(path, path.stat().st_size - cut)
    assert reopen(folder) == [(10, "a")]


def test_first_line_cut_short_makes_the_log_unreadable(folder: int, tmp_path: Path) -> None:
    write(folder)
    path = tmp_path / (NAME + SUFFIX)
    os.truncate(path, path.stat().st_size - 1)
    assert reopen(folder) is None


def test_line_of_any_length_is_not_read_into_memory(folder: int, tmp_path: Path) -> None:
    write(folder, (10, "a"))
    with (tmp_path / (NAME + SUFFIX)).open("ab") as file:
        file.write(b" " * MAX_LINE_BYTES + b'{"bytes": 20, "sha256": "b"}\n')
    assert reopen(folder) == [(10, "a")]


@pytest.mark.parametrize(
    ("size", "prefixes"),
    [
        (5, [(5, "x")]),
        (10, [(10, "x")]),
        (15, [(10, "a"), (15, "x")]),
        (25, [(10, "a"), (20, "b"), (25, "x")]),
    ],
)
def test_rewinding_drops_what_is_beyond(
    folder: int, size: int, prefixes: list[tuple[int, str]]
) -> None:
    write(folder, (10, "a"), (20, "b"))
    log = ChecksumLog.open(folder, NAME)
    assert log
    log.rewind(size, "x")
    log.close()
    assert reopen(folder) == prefixes


def test_symbolic_link_is_not_opened(folder: int, tmp_path: Path) -> None:
    write(folder)
    path = tmp_path / (NAME + SUFFIX)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert reopen(folder) is None
