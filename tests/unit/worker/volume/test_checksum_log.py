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


def test_tries_for_more_than_a_size_are_counted(folder: int) -> None:
    log = ChecksumLog.create(folder, NAME, VERSION)
    log.append(10, "a")
    log.add_try(9)
    log.append(20, "b")
    log.add_try(19)
    log.add_try(19)
    assert [log.tries(size) for size in (0, 9, 10, 19, 20)] == [3, 3, 2, 2, 0]
    log.remove_try()
    assert log.tries(19) == 1
    log.rewind(19, "c")
    assert (log.tries(19), list(log.prefixes())) == (1, [(10, "a"), (19, "c")])
    log.close()
    assert reopen(folder) == [(10, "a"), (19, "c")]


@pytest.mark.parametrize("line", [b"[]", b"1", b'{"tried": "9"}', b'{"tried"', b'{"other": 1}'])
def test_line_that_is_no_try_does_not_count(folder: int, tmp_path: Path, line: bytes) -> None:
    write(folder, (10, "a"))
    with (tmp_path / (NAME + SUFFIX)).open("ab") as file:
        file.write(line + b"\n")
    log = ChecksumLog.open(folder, NAME)
    assert log
    assert log.tries(0) == 0
    log.close()
    assert reopen(folder) == [(10, "a")]


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
