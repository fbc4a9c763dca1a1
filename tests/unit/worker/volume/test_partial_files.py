"""What an attempt leaves, and what the next one can use of it."""

import errno
import fcntl
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from download_worker.errors import StoppedError
from download_worker.http.validators import RemoteVersion
from download_worker.volume import checksum_log
from download_worker.volume.checksum_log import SUFFIX
from download_worker.volume.output_file import LOG_BYTES, OutputFile
from download_worker.volume.partial_files import (
    ABANDONED_SECONDS,
    MAX_TRIES,
    PartialFile,
    PartialFiles,
)

URL = "https://example.com/x"
BODY = bytes(range(256)) * 40
VERSION = RemoteVersion(URL, '"v1"', len(BODY))
Damage = Callable[[Path], object]


def leave(root: Path, size: int, version: RemoteVersion = VERSION, prefix: str = "job") -> Path:
    """Leave a partial file as an attempt that fails does."""
    folder = root / "parts"
    before = set(folder.glob("*.part"))
    file = OutputFile(PartialFiles(root, "parts", prefix).create(), root, "x", version)
    file.write(BODY[:size])
    file.checkpoint(hashlib.sha256(BODY[:size]).hexdigest())
    file.suspend()
    (path,) = set(folder.glob("*.part")) - before
    return path


def die_after(root: Path, *sizes: int, version: RemoteVersion = VERSION) -> Path:
    """Log a prefix of each size, and leave the file as a process that dies does."""
    partial = PartialFiles(root, "parts", "job").create()
    file = OutputFile(partial, root, "x", version, log_bytes=1)
    for start, end in itertools.pairwise((0, *sizes)):
        file.write(BODY[start:end])
        file.checkpoint(hashlib.sha256(BODY[:end]).hexdigest())
    os.close(partial.file)  # which gives up the lock
    return root / "parts" / partial.name


def find(root: Path, url: str = URL) -> PartialFile | None:
    return PartialFiles(root, "parts", "job").find_resume_point(url, lambda: False)


def log_of(partial: Path) -> Path:
    return partial.with_name(partial.name + SUFFIX)


def change_line(partial: Path, line: int, **values: Any) -> None:
    lines = [json.loads(text) for text in log_of(partial).read_text().splitlines()]
    lines[line].update(values)
    log_of(partial).write_text("".join(json.dumps(document) + "\n" for document in lines))


def zero(partial: Path, start: int) -> None:
    """Do as a file system may after a crash: the length is there, the bytes are not."""
    partial.write_bytes(partial.read_bytes()[:start] + bytes(partial.stat().st_size - start))


def replace_log(text: str) -> Damage:
    return lambda partial: log_of(partial).write_text(text)


@pytest.mark.parametrize("size", [2, 1000, len(BODY) - 1, len(BODY)])
def test_all_bytes_but_the_last_are_used(tmp_path: Path, size: int) -> None:
    leave(tmp_path, size)
    resume_point = find(tmp_path)
    assert resume_point
    assert resume_point.size == size - 1
    assert resume_point.digest.hexdigest() == hashlib.sha256(BODY[: size - 1]).hexdigest()
    assert resume_point.version == VERSION


def test_single_byte_is_not_used(tmp_path: Path) -> None:
    partial = leave(tmp_path, 1)
    assert find(tmp_path) is None
    assert not partial.exists()
    assert not log_of(partial).exists()


def test_resumed_file_becomes_the_output_file(tmp_path: Path) -> None:
    path = leave(tmp_path, 1000)
    resume_point = find(tmp_path)
    assert resume_point

    file = OutputFile(resume_point, tmp_path, "x", resume_point.version)
    file.write(BODY[resume_point.size :])
    file.commit("")

    assert (tmp_path / "x").read_bytes() == BODY
    assert not path.exists()
    assert not log_of(path).exists()


def try_to_resume(root: Path, *, more: int = 0) -> int:
    """Ask for the rest as an attempt does that gets *more* bytes of it; return from where."""
    resume_point = find(root)
    assert resume_point
    size = resume_point.size
    resume_point.count_try()
    file = OutputFile(resume_point, root, "x", resume_point.version)
    file.write(BODY[size : size + more])
    file.checkpoint(hashlib.sha256(BODY[: size + more]).hexdigest())
    file.suspend()
    return size


def test_file_that_did_not_help_twice_in_a_row_is_removed(tmp_path: Path) -> None:
    partial = leave(tmp_path, 1000)
    for _ in range(MAX_TRIES):
        resume_point = find(tmp_path)
        assert resume_point
        resume_point.count_try()
        resume_point.release(resumable=True)
    assert find(tmp_path) is None
    assert not partial.exists()
    assert not log_of(partial).exists()


@pytest.mark.parametrize("more", [0, 1])
def test_only_a_byte_beyond_the_last_one_helps(tmp_path: Path, more: int) -> None:
    leave(tmp_path, 1000)
    for _ in range(MAX_TRIES):
        try_to_resume(tmp_path, more=more)
    assert find(tmp_path) is None


def test_two_bytes_help(tmp_path: Path) -> None:
    leave(tmp_path, 1000)
    assert [try_to_resume(tmp_path, more=2) for _ in range(5)] == [999, 1000, 1001, 1002, 1003]


def test_help_in_between_counts_from_the_start_again(tmp_path: Path) -> None:
    leave(tmp_path, 1000)
    sizes = [try_to_resume(tmp_path, more=more) for more in (0, 100, 1, 100, 1)]
    assert sizes == [999, 998, 1097, 1097, 1196]
    assert find(tmp_path)


def test_try_that_is_taken_back_does_not_count(tmp_path: Path) -> None:
    leave(tmp_path, 1000)
    for _ in range(2 * MAX_TRIES):
        resume_point = find(tmp_path)
        assert resume_point
        resume_point.count_try()
        resume_point.uncount_try()
        resume_point.release(resumable=True)


def test_file_is_used_where_no_try_can_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, 1000)
    resume_point = find(tmp_path)
    assert resume_point

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(checksum_log, "write_all", fail)
    monkeypatch.setattr(os, "ftruncate", fail)
    resume_point.count_try()
    resume_point.uncount_try()
    resume_point.release(resumable=True)
    assert find(tmp_path)


@pytest.mark.parametrize(
    ("damage", "size"),
    [
        (lambda partial: None, 1499),
        (lambda partial: os.truncate(partial, 1499), 999),
        (lambda partial: os.truncate(partial, 400), None),
        (lambda partial: zero(partial, 1400), 999),
        (lambda partial: zero(partial, 0), None),
        (lambda partial: partial.write_bytes(partial.read_bytes() + b"more"), 1499),
        (lambda partial: os.truncate(log_of(partial), log_of(partial).stat().st_size - 1), 999),
        (lambda partial: change_line(partial, 2, sha256="0" * 64), 499),
        (lambda partial: change_line(partial, 2, bytes=500), 499),
        (lambda partial: change_line(partial, 2, bytes="1000"), 499),
        (lambda partial: change_line(partial, 2, bytes=len(BODY) + 1), 499),
    ],
)
def test_longest_prefix_that_the_log_confirms_is_used(
    tmp_path: Path, damage: Damage, size: int | None
) -> None:
    damage(die_after(tmp_path, 500, 1000, 1500))
    resume_point = find(tmp_path)
    assert (resume_point.size if resume_point else None) == size
    if resume_point:
        assert resume_point.digest.hexdigest() == hashlib.sha256(BODY[:size]).hexdigest()


def test_stopped_verification_leaves_the_file(tmp_path: Path) -> None:
    die_after(tmp_path, 500, 1000, 1500)
    answers = iter([False, True])
    with pytest.raises(StoppedError):
        PartialFiles(tmp_path, "parts", "job").find_resume_point(URL, lambda: next(answers))
    resume_point = find(tmp_path)
    assert resume_point
    assert resume_point.size == 1499


def test_bytes_that_cannot_be_read_are_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_after(tmp_path, 500, 1000, 1500)
    original = os.pread

    def pread(file: int, size: int, start: int) -> bytes:
        if start + size > 1000:
            raise OSError(errno.EIO, "Input/output error")
        return original(file, size, start)

    monkeypatch.setattr(os, "pread", pread)
    resume_point = find(tmp_path)
    assert resume_point
    assert resume_point.size == 999


def test_killed_process_loses_less_than_a_mebibyte(tmp_path: Path) -> None:
    body = bytes(LOG_BYTES)
    partial = PartialFiles(tmp_path, "parts", "job").create()
    file = OutputFile(partial, tmp_path, "x", RemoteVersion(URL, '"v1"', None))
    for count in (1, 2):
        file.write(body)
        file.checkpoint(hashlib.sha256(body * count).hexdigest())
    file.write(body[:-1])
    file.checkpoint("less than a mebibyte more, so it is not logged")
    os.close(partial.file)

    resume_point = find(tmp_path)

    assert resume_point
    assert resume_point.size == 2 * LOG_BYTES - 1


def test_resumed_file_is_logged_again_from_where_it_resumed(tmp_path: Path) -> None:
    """Other bytes may follow than those that came before."""
    die_after(tmp_path, 500, 1000)
    resume_point = find(tmp_path)
    assert resume_point
    other = BODY[: resume_point.size] + bytes(1000)

    file = OutputFile(resume_point, tmp_path, "x", resume_point.version, log_bytes=1)
    file.write(bytes(1000))
    file.checkpoint(hashlib.sha256(other).hexdigest())
    file.suspend()

    again = find(tmp_path)
    assert again
    assert again.size == len(other) - 1
    assert again.digest.hexdigest() == hashlib.sha256(other[:-1]).hexdigest()


def test_file_in_use_is_left_alone(tmp_path: Path) -> None:
    file = OutputFile(PartialFiles(tmp_path, "parts", "job").create(), tmp_path, "x", VERSION)
    file.write(BODY[:10])
    assert find(tmp_path) is None
    file.commit("")
    assert (tmp_path / "x").read_bytes() == BODY[:10]


def test_without_locks_only_old_files_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may be using any of them, for as long as a run may take."""

    def flock(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    old, new = leave(tmp_path, 1000, prefix="job"), leave(tmp_path, 1000, prefix="other")
    for partial, prefix in ((old, "job"), (new, "other")):
        age = time.time() - (ABANDONED_SECONDS + 60 if partial == old else 7 * 24 * 3600)
        os.utime(partial, (age, age))
        for _ in range(2):  # a log is removed once its partial file is gone
            files = PartialFiles(tmp_path, "parts", prefix)
            assert files.find_resume_point(URL, lambda: False) is None
    assert set((tmp_path / "parts").iterdir()) == {new, log_of(new)}


def test_newest_file_is_used_and_the_others_are_removed(tmp_path: Path) -> None:
    older = leave(tmp_path, 2000)
    os.utime(older, (1, 1))
    longer_prefix = leave(tmp_path, 100, prefix="job.0123456789abcdef")
    leave(tmp_path, 1000)

    resume_point = find(tmp_path)

    assert resume_point
    assert resume_point.size == 999
    assert not older.exists()
    assert longer_prefix.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda partial: log_of(partial).unlink(),
        replace_log(""),
        replace_log("[]"),
        replace_log("[" * 10_000),
        replace_log("{}\n"),
        replace_log("[]\n"),
        replace_log("[" * 10_000 + "\n"),
        replace_log("\n" * 10),
        lambda partial: change_line(partial, 0, more=1),
        lambda partial: change_line(partial, 0, validator="a\r\nb"),
        lambda partial: change_line(partial, 0, validator="é"),
        lambda partial: change_line(partial, 0, validator=None),
        lambda partial: change_line(partial, 0, length=-1),
        lambda partial: change_line(partial, 0, length="1"),
        lambda partial: change_line(partial, 0, length=999),
        lambda partial: change_line(partial, 0, url="https://b"),
        lambda partial: change_line(partial, 1, bytes=1001),
        lambda partial: change_line(partial, 1, bytes=-1),
        lambda partial: change_line(partial, 1, sha256=None),
    ],
)
def test_file_that_cannot_be_verified_is_removed(tmp_path: Path, damage: Damage) -> None:
    damage(leave(tmp_path, 1000))
    assert find(tmp_path) is None
    assert list((tmp_path / "parts").iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    partial = leave(tmp_path, 1000)
    precious = tmp_path / "precious"
    precious.write_bytes(BODY)

    partial.unlink()
    partial.symlink_to(precious)
    assert find(tmp_path) is None

    partial.unlink()
    partial.hardlink_to(precious)
    assert find(tmp_path) is None
    assert precious.read_bytes() == BODY


def test_log_without_its_partial_file_is_removed(tmp_path: Path) -> None:
    partial = leave(tmp_path, 1000)
    partial.unlink()
    assert find(tmp_path) is None
    assert not log_of(partial).exists()


def test_file_without_a_log_has_no_version(tmp_path: Path) -> None:
    partial = PartialFiles(tmp_path, "", "job").create()
    with pytest.raises(ValueError, match="no checksum log"):
        _ = partial.version
    partial.release(resumable=True)
    assert list((tmp_path).glob(".job*")) == []


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    leave(tmp_path, 10)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for size in (1000, 2000):
        leave(tmp_path, size, prefix=f"job{size}")
        assert find(tmp_path, "https://elsewhere") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
